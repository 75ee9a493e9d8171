"""From the name of a base model to where its files are. Imports no torch.

Organisms ship with the package, model packages have a row in `packages`, a name that ends in ".gguf" is a file, a name
with a "/" is a local folder if there is one and a hub id otherwise.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError, NotDownloadedError
from rlvr_bench.models.packages import PACKAGES
from rlvr_bench.plugins.suggestion import did_you_mean

WEIGHTS = Path(__file__).parent / "organisms" / "weights"
_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py")

Kind = Literal["organism", "packaged", "file", "folder", "hub"]


class Source(NamedTuple):
    """Where a base model comes from; `folder` is None until a hub id is fetched or a GGUF file converted."""

    kind: Kind
    name: str
    folder: Path | None


def organism_names() -> list[str]:
    """The organisms whose weights ship with the package, sorted."""
    return sorted(path.parent.name for path in WEIGHTS.glob("*/model.safetensors"))


def source_of(base: BaseConfig) -> Source:
    """Find a base by name. Raises ModelError for one that is no organism, packaged model, file, folder or hub id."""
    name = base.name
    if name in organism_names():
        return Source("organism", name, WEIGHTS / name)
    if name in PACKAGES:
        return Source("packaged", name, None)
    path = Path(name).expanduser()
    if path.is_dir() and ("/" in name or (path / "config.json").is_file()):
        return Source("folder", name, path.resolve())
    if base.is_gguf:
        return Source("file", name, None)
    if name.startswith(("/", ".", "~")):
        raise ModelError(f"There is no folder {name!r}: {_how_to_get(path)}.")
    if name.count("/") != 1:
        names = [*organism_names(), *PACKAGES]
        raise ModelError(
            f"Base model {name!r} is unknown (a hub id is written owner/name, a local folder with a slash)"
            f"{did_you_mean(name, names)}"
        )
    return Source("hub", name, None)


def _how_to_get(folder: Path) -> str:
    """Return what makes a folder that is not here a model."""
    from rlvr_bench.models.organisms.recipes import SIZED  # the families of tasks, which only this error needs

    if folder.name in SIZED:
        return f"rlvr-bench models build {folder.name} --folder {folder} makes it"
    return "give the folder of a model saved with save_pretrained"


def hub_folder(base: BaseConfig, fetch: bool = True) -> Path:
    """The local snapshot of a hub id, fetched if it is not cached, the hub may be asked and `fetch` says so.

    Only safetensors weights are fetched. Raises ModelError, with the fix, if it cannot be had; NotDownloadedError if it
    is merely not here.
    """
    from huggingface_hub import errors, snapshot_download  # 0.3 s that only hub ids cost

    try:
        folder = snapshot_download(
            base.name, revision=base.revision, allow_patterns=list(_FILES), local_files_only=not fetch
        )
        return Path(folder)
    except errors.HFValidationError as error:
        raise ModelError(f"Base model {base.name!r} is no hub id: write owner/name, or give a local folder.") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        revision = f" at revision {base.revision!r}" if base.revision else ""
        raise ModelError(
            f"The hub has no model {base.name!r}{revision} that you may read: check the name, or log in with"
            " `hf auth login`."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise NotDownloadedError(
            f"Model {base.name!r} is not in the local hub cache and the hub cannot be reached: fetch it once with"
            f" `hf download {base.name}`, or give a local folder."
        ) from error
