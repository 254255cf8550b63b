"""Makes the benchmark's texts from Debian packages and Python's own sources: nothing is repeated, nothing else downloaded.

    python bench/tokenizer/corpus.py build/bench-corpus

writes english.txt, code.txt and one file for each of 13 scripts and languages: 5 to 6 MB each but for the last four,
which are smaller because nothing bigger is packaged (apt-get downloads about 90 MB).
"""

import argparse
import gzip
import html
import re
import struct
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# A text is the pages, then the messages of these packages. LibreOffice's help is prose in many scripts; what it lacks
# comes from the Debian handbook, from manual pages, and from the messages of user interfaces: sentences, but short ones.
SOURCES = {
    "english": ["libreoffice-help-en-us", "debian-handbook:en-US", "manpages", "manpages-dev", "debian-policy"],
    "cyrillic": ["libreoffice-help-ru", "debian-handbook:ru-RU", "libreoffice-l10n-ru"],
    "greek": ["libreoffice-help-el"],
    "devanagari": ["libreoffice-help-hi", "libreoffice-l10n-hi", "libreoffice-l10n-mr", "libreoffice-l10n-ne"],
    "japanese": ["libreoffice-help-ja", "debian-handbook:ja-JP", "manpages-ja", "manpages-ja-dev"],
    "chinese": ["libreoffice-help-zh-cn", "debian-handbook:zh-CN", "libreoffice-help-zh-tw"],
    "korean": ["libreoffice-help-ko", "debian-handbook:ko-KR", "libreoffice-l10n-ko"],
    "khmer": ["libreoffice-help-km"],
    "tibetan": ["libreoffice-help-dz"],
    "vietnamese": ["libreoffice-help-vi", "debian-handbook:vi-VN", "libreoffice-l10n-vi"],
    "arabic": ["debian-handbook:ar-MA", "debian-handbook:fa-IR"]
    + [f"libreoffice-l10n-{language}" for language in ("ar", "fa", "ug")],
    "bengali": ["libreoffice-l10n-bn", "libreoffice-l10n-as"],
    "thai": ["libreoffice-l10n-th"],
    "hebrew": ["libreoffice-l10n-he"],
}
LEAST, MOST = 5_000_000, 6_000_000  # bytes of a text


def unpack(package: str, folder: Path) -> Path:
    """The files of a Debian package, downloaded and unpacked once, never installed."""
    target = folder / package
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True, capture_output=True)
        (deb,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, target], check=True)
    return target


def page_lines(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.html")):
        page = path.read_text(encoding="utf-8", errors="replace")
        page = re.sub(r"(?s)<(script|style|nav|head)\b.*?</\1>", "", page)
        yield from html.unescape(re.sub(r"<[^>]*>", "", page)).splitlines()


def manual_lines(root: Path) -> Iterator[str]:
    """The prose of manual pages, without the lines that are commands of roff."""
    for path in sorted((root / "usr/share/man").rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines():
            if not line.startswith((".", "'")):
                yield re.sub(r"\\f(\[\w*\]|.)", "", line).replace("\\-", "-")


def message_lines(root: Path) -> Iterator[str]:
    """The translations in gettext's .mo files."""
    for path in sorted(root.rglob("*.mo")):
        data = path.read_bytes()
        _, _, count, _, place = struct.unpack_from("<5I", data)
        for i in range(count):
            length, offset = struct.unpack_from("<2I", data, place + 8 * i)
            yield from data[offset : offset + length].decode("utf-8", "replace").replace("\0", "\n").splitlines()


def code_lines() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts and "encodings" not in path.parts:
            yield from path.read_text(encoding="utf-8", errors="replace").splitlines()


def write(path: Path, lines: Iterator[str], unique: bool) -> int:
    """`unique` leaves out what menus and footers repeat on every page."""
    seen: set[str] = set()
    size = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            if unique:
                line = line.strip()
                if not line or line in seen:
                    continue
                seen.add(line)
            size += len(line.encode()) + 1
            file.write(line + "\n")
            if size >= MOST:
                break
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    debs = folder / "packages"

    def lines_of(name: str) -> Iterator[str]:
        for source in SOURCES[name]:
            package, _, part = source.partition(":")
            root = unpack(package, debs)
            if part:
                (root,) = root.rglob(part)
            yield from page_lines(root)
            yield from manual_lines(root)
            yield from message_lines(root)

    for name in SOURCES:
        path = folder / f"{name}.txt"
        if not path.exists():
            size = write(path, lines_of(name), unique=True)
            print(f"{name}: {size} bytes" + ("" if size >= LEAST else f", short of {LEAST}"))
    if not (folder / "code.txt").exists():
        print(f"code: {write(folder / 'code.txt', code_lines(), unique=False)} bytes")


if __name__ == "__main__":
    main()
