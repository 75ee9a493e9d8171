"""One import name over three top-level folders: `bench/` is `rlvr_bench`, the others are packages inside it."""

from setuptools import find_packages, setup

FOLDERS = {"rlvr_bench": "bench", "rlvr_bench.methods": "methods", "rlvr_bench.tasks": "tasks"}

setup(
    package_dir=FOLDERS,
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in (name, *(f"{name}.{inner}" for inner in find_packages(folder)))
    ],
)
