"""Pushing a folder to the hub, through the hub's own client and the login that it has."""

from pathlib import Path

from rlvr_bench.models.errors import ModelError


def push(folder: Path, name: str) -> str:
    """Upload a model folder as the repository `owner/name`, made if it is not there; return its address.

    Raises:
        ModelError: the name is no hub id, the hub cannot be reached, or it refuses.
    """
    from huggingface_hub import HfApi, errors

    api = HfApi()
    try:
        api.create_repo(name, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload by rlvr-bench"))
    except errors.HFValidationError as error:
        raise ModelError(f"--push {name!r} is no hub id; write owner/name") from error
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"the hub did not take {name!r} ({reason}); log in with `hf auth login`, {folder} stays"
        ) from error
