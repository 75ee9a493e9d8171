"""A published claim and the rule that decides it, as the `claims.toml` of a study holds them.

One file per study, whose topic its key `topic` says, with a table `[[claim]]` per claim. A claim is written down
before the runs that decide it.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from rlvr_bench.plugins.settings import Settings, explain
from rlvr_bench.plugins.studies import study_folders
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.plugins.toml import parsed_toml
from rlvr_bench.studies.errors import FindingsError

CLAIMS_FILE = "claims.toml"
Side = Literal["above", "below"]
CHOICES = ("runs", "a", "b", "plain")
"""Arguments that choose runs by their settings."""
OF = "of"
"""Key by which a choice of runs begins with one that the file names."""


class Claim(Settings):
    """A claim, where it was made, and the rule: the estimate's whole interval on `side` of `threshold` supports it.

    Within `margin` of the threshold it is neither supported nor contradicted: the effect is negligible.
    """

    id: str = Field(pattern=r"^[A-Z][0-9]+[a-z]?$")
    claim: str = Field(min_length=1)
    source: str = Field(min_length=1)
    published: str
    """The published value, as text; "" where there is none."""
    test: str = Field(min_length=1)
    """What our estimate is, in words."""
    analysis: str
    arguments: dict[str, Any] = Field({})
    side: Side
    threshold: float = Field(allow_inf_nan=False)
    margin: float = Field(ge=0, allow_inf_nan=False)
    """Nearer to the threshold than this is next to no effect; 0 where the threshold is itself such a distance."""
    settings: dict[str, Any] = Field({})
    """What every run of it must be set to beside what its arguments ask for; a file's own where a claim gives none."""
    seeds: int = Field(3, ge=1)
    """Seeds of each side below which runs of a new result schema do not take the place of the older ones."""
    clipped: tuple[str, ...] = ()
    """Choices of runs of which tokens must have been clipped: a claim on clipping says nothing where none was."""
    bases: tuple[str, ...] = ()
    """Base models to judge it on; none given: every one that has the records."""
    topic: str = ""
    """Heading of the page under which it stands; given once at the top of a file."""

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of the analysis, with the settings in each choice of runs."""
        if not self.settings:
            return self.arguments
        chosen = {name: {**self.settings, **self.arguments[name]} for name in CHOICES if name in self.arguments}
        return self.arguments | chosen

    @property
    def number(self) -> tuple[str, int, str]:
        """Sort key: W2 comes before W10."""
        digits = "".join(filter(str.isdigit, self.id))
        return self.id[0], int(digits), self.id[1 + len(digits) :]


class _File(Settings):
    topic: str = Field(min_length=1)
    settings: dict[str, Any] = Field({})
    choices: dict[str, dict[str, Any]] = Field({})
    claim: list[Claim]

    def whole(self, table: Any, path: Path) -> Any:
        """Return a table with what the choice that it names holds, before its own keys."""
        if not isinstance(table, dict) or OF not in table:
            return table
        if (name := str(table[OF])) not in self.choices:
            raise FindingsError(
                f'{path}: [choices] has no "{name}"{did_you_mean(name, self.choices)}; add it, or spell it out'
            )
        return self.choices[name] | {key: value for key, value in table.items() if key != OF}


def load_claims(folder: Path | None = None) -> list[Claim]:
    """Return the claims of all installed studies, or of a folder's TOML files, by id.

    Raises:
        FindingsError: there is no file, one is not what it should be, or an id is there twice.
    """
    paths = _of_studies() if folder is None else sorted(folder.glob("*.toml"))
    if not paths:
        raise FindingsError(
            f"{folder or 'the installed studies'} holds no claims (*.toml); name a folder of them with --claims"
        )
    claims = sorted((each for path in paths for each in _read(path)), key=lambda claim: claim.number)
    twice = [name for name, count in Counter(claim.id for claim in claims).items() if count > 1]
    if twice:
        raise FindingsError(f"{folder or 'studies'}: claim {twice[0]} is there twice; give each an id of its own")
    return claims


def _of_studies() -> list[Path]:
    return [path for folder in study_folders().values() if (path := folder / CLAIMS_FILE).is_file()]


def _read(path: Path) -> list[Claim]:
    try:
        file = _File.model_validate(parsed_toml(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise FindingsError(explain(error, _File, str(path))) from error
    except (OSError, ValueError) as error:
        raise FindingsError(f"{path}: not readable as TOML: {error}; mend the file") from error
    return [
        claim.model_copy(
            update={
                "topic": file.topic,
                "arguments": {
                    key: file.whole(value, path) if key in CHOICES else value for key, value in claim.arguments.items()
                },
                "settings": file.whole(claim.settings if "settings" in claim.model_fields_set else file.settings, path),
            }
        )
        for claim in file.claim
    ]
