"""What the geometry of the cells to run will take, told from the shapes of their bases; no weight is read. No torch."""

from collections.abc import Iterable, Mapping

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.geometry.cost import WORTH_SAYING, full_flops, in_words, seconds
from rlvr_bench.geometry.measurements import Geometry, settings_of_a_cell
from rlvr_bench.geometry.sample import draw_sample
from rlvr_bench.geometry.settings import Shape
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import gguf_file
from rlvr_bench.models.gguf.convert import cached_folder
from rlvr_bench.models.gguf.header import read_header
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import hub_folder, source_of


def geometry_sentence(waiting: Iterable[Cell]) -> str:
    """Say how long the geometry of cells takes, and whether it is a sample; empty where it is short or not known."""
    known: dict[str, str] = {}
    for cell in waiting:
        if "geometry" in cell.measurements and cell.base.name not in known:
            known[cell.base.name] = _of_a_cell(cell)
    return "; ".join(sentence for sentence in known.values() if sentence)


def _of_a_cell(cell: Cell) -> str:
    shapes = _shapes(cell.base)
    if shapes is None:
        return ""
    settings = settings_of_a_cell(shapes)
    if Geometry.model_validate(cell.measurements["geometry"]).extent == "sample":
        sample = draw_sample(shapes, settings, cell.signal.steps * cell.signal.batch_size)
        if sample is not None:
            part = f"a sample of {len(sample.weights)} of {sample.matrices} matrices"
            return f"geometry {in_words(sample.seconds)} a cell on {cell.base.name}, {part}"
    taken = seconds(full_flops(shapes.values(), settings))
    return f"geometry {in_words(taken)} a cell on {cell.base.name}, in full" if taken >= WORTH_SAYING else ""


def _shapes(base: BaseConfig) -> Mapping[str, Shape] | None:
    """Return the shapes of a base that is on this machine, None of another one."""
    try:
        source = source_of(base)
        if source.kind in ("packaged", "file"):
            path, digest = gguf_file(base)
            folder = cached_folder(digest)
            if not folder.is_dir():
                return {name: tensor.shape for name, tensor in read_header(path).tensors.items()}
            return parameter_shapes(folder)
        return parameter_shapes(hub_folder(base, fetch=False) if source.folder is None else source.folder)
    except ModelError:  # the plan's other parts say what is wrong with a base
        return None
