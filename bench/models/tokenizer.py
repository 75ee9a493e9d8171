"""The organisms' tokenizer: one character, one token. No chat template, no merges, nothing added to a prompt."""

import string

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
CHARACTERS = "\n " + string.digits + string.ascii_letters + string.punctuation


def character_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """A tokenizer of 99 tokens: pad, end, unknown, newline and printable ASCII; `context` is the model's longest input.

    Padding goes left, as generation from a decoder needs it.
    """
    vocabulary = {token: index for index, token in enumerate((PAD, EOS, UNKNOWN, *CHARACTERS))}
    characters = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    characters.pre_tokenizer = Split(Regex(r"[\s\S]"), behavior="isolated")
    characters.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=characters,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=context,
        model_input_names=["input_ids", "attention_mask"],
    )
