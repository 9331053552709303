"""The commands that show a run to others: ``pixelbytes push | demo``.

Parses arguments and calls the library, as `cli` does for the commands that make runs.
"""

import argparse
from tempfile import TemporaryDirectory


def add_push(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``push``."""
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("repo_id", metavar="USER/NAME", help="repository on the Hub; made if absent")
    command.add_argument("--subfolder", help="folder of the repository, for one of several checkpoints")
    command.add_argument("--private", action="store_true", help="refuse to publish where others can see it")
    command.add_argument("--revision", help="branch; made if absent (default: main)")
    command.add_argument(
        "--dataset",
        help="folder or Hub name of the corpus that the run was trained on: named in the card, and its test split "
        "gives the samples' prompts",
    )
    command.add_argument("--no-samples", action="store_true", help="leave out sprites, cries and the contact sheet")
    command.add_argument("--seed", type=int, default=0, help="of the samples (default: %(default)s)")
    command.add_argument("--dry-run", action="store_true", help="list what would be sent, and send nothing")
    card = command.add_argument_group("what the card says, if the run does not")
    card.add_argument("--evaluation", metavar="JSON", help="figures of this run, as evaluate or quickstart wrote them")
    card.add_argument("--licence", metavar="ID", help="of the weights; by default what the corpus allows")
    card.add_argument("--licence-name", help="with --licence other")
    card.add_argument("--licence-link", help="with --licence other")


def push(options: argparse.Namespace) -> None:
    """Publish a run on the Hub: weights, code, card, metrics and samples in one commit."""
    from ..publishing.push import assemble, publish_run

    with_samples = not options.no_samples and options.dataset is not None
    if not with_samples and not options.no_samples:
        print("no samples: --dataset names the corpus whose test records they begin from")
    names = ("subfolder", "dataset", "seed", "evaluation", "licence", "licence_name", "licence_link")
    given = {"with_samples": with_samples, **{name: getattr(options, name) for name in names}}
    if options.dry_run:
        with TemporaryDirectory(prefix="pixelbytes_push_") as folder:
            print_sizes(assemble(options.run_folder, folder, repo_id=options.repo_id, **given))
        return
    to = {"private": options.private, "revision": options.revision}
    published = publish_run(options.run_folder, options.repo_id, **to, show=print_sizes, **given)
    print(
        f"{published.url}: {len(published.files)} files, {len(published.sent)} of them new, commit {published.commit}"
    )


def add_demo(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    local = "(default: %(default)s, where requests that name another host are refused)"
    command.add_argument("--host", default="127.0.0.1", help=f"address to serve at {local}")
    command.add_argument("--port", type=int, help="port to serve at (default: the first free one from 7860 on)")
    command.add_argument("--space", metavar="DIR", help="write the page as a Space of the Hub, and do not open it")
    command.add_argument("--title", default="PixelBytes", help="of the page (default: %(default)s)")
    command.add_argument("--push", metavar="USER/NAME", help="publish what --space wrote as this Space")
    command.add_argument("--private", action="store_true", help="with --push: only you shall see it")


def demo(options: argparse.Namespace) -> None:
    """Open a page on which a run makes sprites and cries, or write it as a Space."""
    if options.space is None:
        if options.push is not None or options.private:
            raise ValueError("--push and --private publish what --space writes: name a folder for it, --space DIR")
        _open_demo(options)
        return
    from ..demo.space import push_space, write_space

    written = write_space(options.run_folder, options.space, title=options.title)
    print_sizes({str(path.relative_to(options.space)): path.stat().st_size for path in written})
    if options.push is not None:
        print(push_space(options.space, options.push, private=options.private).url)


def _open_demo(options: argparse.Namespace) -> None:
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise ValueError("the page needs gradio, which is not installed: pip install 'pixelbytes-hf[demo]'")
    from ..demo.page import open_page

    open_page(options.run_folder, title=options.title, server_name=options.host, server_port=options.port)


def print_sizes(sizes: dict[str, int]) -> None:
    """Print a table of files and their bytes, with the sum.

    Example:
        >>> print_sizes({"config.json": 1027})
               1,027  config.json
               1,027  in 1 file
    """
    total = f"{sum(sizes.values()):12,}  in {len(sizes)} file{'s' * (len(sizes) != 1)}"
    print("\n".join([*(f"{size:12,}  {name}" for name, size in sizes.items()), total]), flush=True)
