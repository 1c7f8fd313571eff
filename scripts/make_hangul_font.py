"""Make the font that figures fall back to: NanumGothic cut down to Hangul.

    python scripts/make_hangul_font.py NanumGothic.ttf

The original lies in Debian's package fonts-nanum (SIL Open Font License 1.1, with
"NanumGothic" as a reserved name, which is why the copy has another).
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

HERE = Path(__file__).parents[1] / "src" / "closecast" / "lab" / "data"
TARGET, NAME = HERE / "closecast-hangul.ttf", "Closecast Hangul"
LETTERS, SYLLABLES = range(0x3131, 0x3164), range(0xAC00, 0xD7A4)
COPYRIGHT, FAMILY, STYLE, ID, FULL, VERSION, POSTSCRIPT = range(7)
LICENCE, LICENCE_URL = 13, 14


def main() -> None:
    """Cut, rename, write."""
    font = TTFont(sys.argv[1])
    options = subset.Options(hinting=False, layout_features=[], name_IDs=["*"])
    options.drop_tables += ["TSI0", "TSI1", "TSI2", "TSI3", "TSI5"]
    options.drop_tables += ["vhea", "vmtx", "gasp"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[*LETTERS, *SYLLABLES])
    cutter.subset(font)
    copyright_of = font["name"].getDebugName(COPYRIGHT)
    names = {COPYRIGHT: copyright_of, FAMILY: NAME, STYLE: "Regular", ID: NAME,
             FULL: NAME, VERSION: "Version 1.0", POSTSCRIPT: NAME.replace(" ", ""),
             LICENCE: "SIL Open Font License 1.1",
             LICENCE_URL: "https://openfontlicense.org"}  # fmt: skip
    font["name"].names = []
    for key, text in names.items():
        font["name"].setName(text, key, 3, 1, 0x409)
    font.save(TARGET)


if __name__ == "__main__":
    main()
