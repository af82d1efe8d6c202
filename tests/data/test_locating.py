"""The folders in which data is searched for, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmctl import bundled
from lstmctl.cache import cache_folder
from lstmctl.data.locating import locate, portable_name, read_bytes, require_files, search_folders
from lstmctl.errors import DataError

BUNDLED = "travellers.txt"


def test_each_folder_in_turn(tmp_path: Path) -> None:
    config, cache = tmp_path / "configs", tmp_path / "cache"
    places = [config / BUNDLED, Path.cwd() / BUNDLED, bundled.data() / BUNDLED, cache / BUNDLED]
    for place in (places[0], places[1], places[3]):
        place.parent.mkdir(exist_ok=True)
        place.write_text("text")
    assert search_folders(config) == [place.parent for place in places]
    assert locate(BUNDLED, config) == places[0]
    assert locate(BUNDLED, None) == places[1]
    places[0].unlink()
    assert locate(BUNDLED, config) == places[1]
    places[1].unlink()
    assert locate(BUNDLED, config) == places[2]
    places[3].rename(cache / "downloaded.txt")
    assert locate("downloaded.txt", config) == cache / "downloaded.txt"


def test_absolute_names_and_the_home_folder_are_taken_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("a.txt").write_text("text")
    assert locate(str(tmp_path / "a.txt"), Path("nowhere")) == tmp_path / "a.txt"
    assert locate("~/a.txt", None) == tmp_path / "a.txt"


def test_the_error_of_a_missing_file_lists_where_it_was_searched_for(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate("books/missing.txt", tmp_path / "configs")
    looked = [tmp_path / "configs", tmp_path, bundled.data(), tmp_path / "cache"]
    assert str(caught.value) == (
        f"`books/missing.txt` does not exist; looked in {', '.join(f'{folder}/books' for folder in looked)}"
    )
    assert caught.value.hint == ("put the file into one of these folders, or give its path: data.text=PATH/missing.txt")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tinyshakespeare.txt", "lstmctl data download tinyshakespeare"),
        ("ETTh1.csv", "lstmctl data download ETTh1"),
        ("M4-hourly.csv", "lstmctl data download M4-hourly"),
        ("etth1", "lstmctl data download ETTh1, then name it ETTh1.csv"),
        ("books/tinyshakespeare.txt", "lstmctl data download tinyshakespeare, then name it tinyshakespeare.txt"),
    ],
)
def test_what_can_be_downloaded_is_said_to_be(name: str, hint: str) -> None:
    with pytest.raises(DataError, match="does not exist; looked in") as caught:
        locate(name, None)
    assert caught.value.hint == hint


def test_a_folder_that_is_two_places_at_once_is_reported_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate("missing.txt", Path.cwd())
    assert str(caught.value).count(f"{tmp_path},") == 1


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-that-name/a.txt"])
def test_names_the_system_cannot_follow_are_data_errors(name: str) -> None:
    with pytest.raises(DataError):
        locate(name, None)


def test_a_links_circle_does_not_exist() -> None:
    Path("a.txt").symlink_to("b.txt")
    Path("b.txt").symlink_to("a.txt")
    with pytest.raises(DataError, match=r"`a\.txt` does not exist"):
        locate("a.txt", None)


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("LSTMCTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/lstmctl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/lstmctl"


def test_a_runs_own_config_names_what_was_found_so_that_it_is_found_again(tmp_path: Path) -> None:
    Path("a.txt").write_text("text")
    assert portable_name("a.txt", Path("a.txt")) == str(tmp_path / "a.txt")
    assert portable_name(BUNDLED, bundled.data() / BUNDLED) == BUNDLED


def test_only_regular_files_are_read() -> None:
    Path("folder").mkdir()
    with pytest.raises(DataError, match=r"^folder is not a regular file \(d\); use a text file or a folder$"):
        read_bytes(Path("folder"))
    with pytest.raises(DataError, match=r"^missing cannot be read: No such file or directory$"):
        read_bytes(Path("missing"))


def test_files_are_taken_once_each_in_order() -> None:
    assert require_files(map(Path, ["b", "a", "b"])) == [Path("b"), Path("a")]
    with pytest.raises(DataError, match=r"^data\.text names no file$"):
        require_files([])
