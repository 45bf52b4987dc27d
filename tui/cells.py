"""What a terminal shows, cell by cell, and the shortest way from one picture to the next."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left

from rich.cells import get_character_cell_size, split_graphemes

from tui.pens import DEFAULT_PEN, Pens

UNKNOWN = "\x00"
"""Text of a cell whose content on the terminal is not known; printable text never contains it."""
SECOND_HALF = ""
"""Text of the right half of a wide character."""
GAP_CELLS = 6
"""Longest unchanged gap worth looking at: a jump on the row costs at most six bytes."""
ERASE_CELLS = 6
"""Erasing to the end of the line costs up to six bytes (reset, erase), as much as six blanks."""

_narrow = {
    chr(code)
    for first, last in ((0x20, 0x7E), (0xA1, 0xAC), (0x2500, 0x25FC), (0x2800, 0x28FF))
    for code in range(first, last + 1)
}


def is_narrow(text: str) -> bool:
    """Say whether every character of `text` takes one cell on every terminal, whatever stands beside it."""
    if _narrow.issuperset(text):
        return True
    for char in set(text) - _narrow:
        if (
            get_character_cell_size(char) != 1
            or is_uncertain(char)
            or unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")
        ):
            return False
        _narrow.add(char)
    return True


def is_uncertain(cell: str) -> bool:
    """Say whether terminals disagree about the width of a cell: clusters, lone flag letters and skin tones."""
    return len(cell) > 1 or "\U0001f1e6" <= cell <= "\U0001f1ff" or "\U0001f3fb" <= cell <= "\U0001f3ff"


class Screen:
    """Two pictures of one terminal: the cells that are wanted and the cells that it shows.

    Rows are lists of cell texts and lists of pen numbers. A wide character is followed by SECOND_HALF.
    """

    def __init__(self, width: int, height: int, pens: Pens) -> None:
        self.width = width
        self.height = height
        self.pens = pens
        self.forget()

    def forget(self) -> None:
        """Know nothing any more, neither what is shown nor what is wanted: cells are sent when painted next."""
        width, rows = self.width, range(self.height)
        self.text = [[UNKNOWN] * width for _ in rows]
        self.pen = [[DEFAULT_PEN] * width for _ in rows]
        self.forget_shown()
        self._touched.clear()
        self._wide: set[int] = set()
        self._uncertain: set[int] = set()

    def forget_shown(self) -> None:
        """Know only what is wanted: the next frame sends it whole."""
        self._shown_text = [[UNKNOWN] * self.width for _ in range(self.height)]
        self._shown_pen = [[DEFAULT_PEN] * self.width for _ in range(self.height)]
        self._touched = set(range(self.height))
        self._parked: tuple[int, int] | None = None

    def cleared(self) -> None:
        """Note that the terminal was cleared with the default pen: every cell is blank, and wanted so."""
        self.forget()
        for rows in (self.text, self._shown_text):
            rows[:] = [[" "] * self.width for _ in range(self.height)]

    def put(self, row: int, col: int, text: str, pen: int) -> int:
        """Want `text` from the cell (`row`, `col`) on; return the column after it, or -1 if it does not fit.

        Nothing is changed when it does not fit.
        """
        if is_narrow(text):
            cells: str | list[str] = text
        else:
            cells = []
            for start, end, width in split_graphemes(text)[0]:
                if not width:
                    return -1
                cells.append(text[start:end])
                if width == 2:
                    cells.append(SECOND_HALF)
                    self._wide.add(row)
                if is_uncertain(cells[-width]):
                    self._uncertain.add(row)
        stop = col + len(cells)
        if stop > self.width or not text:
            return -1 if text else col
        if row in self._wide:
            self._break_wide(row, col, stop)
        self.text[row][col:stop] = cells
        blank = self.pens.blank[pen]
        if blank == pen or " " not in cells:
            pens = [pen] * (stop - col)
        else:
            pens = [blank if cell == " " else pen for cell in cells]
        self.pen[row][col:stop] = pens
        self._touched.add(row)
        return stop

    def _break_wide(self, row: int, col: int, stop: int) -> None:
        """Turn the halves of wide characters that stick out of [col, stop) into blanks, as terminals do."""
        text, pen = self.text[row], self.pen[row]
        outside = []
        if text[col] == SECOND_HALF and col:
            outside.append(col - 1)
        if stop < self.width and text[stop] == SECOND_HALF:
            outside.append(stop)
        for x in outside:
            text[x] = " "
            pen[x] = self.pens.blank[pen[x]]

    def compose(self, park: tuple[int, int] | None = None) -> str:
        """Return what makes the terminal show what is wanted, and from now on take that for shown.

        The result starts with an absolute cursor move and the default pen, and ends with the default pen. With `park`
        the cursor is left at that (row, column). Empty when there is nothing to do.
        """
        touched, self._touched = sorted(self._touched), set()
        out = _Output(self)
        for row in touched:
            self._compose_row(row, out)
        if out.parts or (park is not None and park != self._parked):
            out.use(DEFAULT_PEN)
            if park is not None:
                out.move(*park)
            self._parked = park
        return "".join(out.parts)

    def _compose_row(self, row: int, out: _Output) -> None:
        text, pen = self.text[row], self.pen[row]
        columns = self._changed(row)
        if not columns:
            return
        self._shown_text[row] = text.copy()
        self._shown_pen[row] = pen.copy()
        erase_from = -1
        if text[-1] == " " and pen[-1] == DEFAULT_PEN:
            tail = self.width
            while tail and text[tail - 1] == " " and pen[tail - 1] == DEFAULT_PEN:
                tail -= 1
            kept = bisect_left(columns, tail)
            if len(columns) - kept > ERASE_CELLS:
                erase_from = columns[kept]
                del columns[kept:]
        for start, stop in self._spans(row, columns):
            if row in self._uncertain:
                out.write_cautiously(row, start, stop)
            else:
                out.write(row, start, stop)
        if erase_from >= 0:
            out.move(row, erase_from)
            out.use(DEFAULT_PEN)
            out.parts.append("\x1b[K")

    def _changed(self, row: int) -> list[int]:
        """Return the columns to send, whole wide characters only."""
        text, pen, shown, shown_pen = self.text[row], self.pen[row], self._shown_text[row], self._shown_pen[row]
        if text == shown and pen == shown_pen:
            return []
        cells = enumerate(zip(text, shown, pen, shown_pen, strict=True))
        columns = [x for x, (a, b, p, q) in cells if (a != b or p != q) and a != UNKNOWN]
        if row in self._wide and columns:
            every = set(columns)
            for x in columns:
                while x and SECOND_HALF in (text[x], shown[x]):
                    x -= 1
                    every.add(x)
            for x in sorted(every):
                while x + 1 < self.width and SECOND_HALF in (text[x + 1], shown[x + 1]):
                    x += 1
                    every.add(x)
            columns = sorted(x for x in every if text[x] != UNKNOWN)
        if row in self._uncertain and columns:
            doubtful = [x for x in range(self.width) if is_uncertain(text[x]) or is_uncertain(shown[x])]
            if not doubtful:
                self._uncertain.discard(row)
            elif columns[-1] >= doubtful[0]:
                columns = columns[: bisect_left(columns, doubtful[0])]
                columns += [x for x in range(doubtful[0], self.width) if text[x] != UNKNOWN]
        return columns

    def _spans(self, row: int, columns: list[int]) -> list[tuple[int, int]]:
        """Join changed columns to spans, over gaps that are cheaper to write again than to jump."""
        text, pen, blank = self.text[row], self.pen[row], self.pens.blank
        spans: list[tuple[int, int]] = []
        if not columns:
            return spans
        start = last = columns[0]
        for x in columns:
            gap = x - last - 1
            if gap > 0:
                cells = "".join(text[last + 1 : x]) if gap <= GAP_CELLS else UNKNOWN
                jump = 3 if gap == 1 else 4
                if (
                    len(cells.encode()) > jump
                    or UNKNOWN in cells
                    or any(
                        p != pen[last] and (p != blank[pen[last]] or c != " ")
                        for p, c in zip(pen[last + 1 : x], text[last + 1 : x], strict=True)
                    )
                ):
                    spans.append((start, last + 1))
                    start = x
            last = x
        spans.append((start, last + 1))
        return spans


class _Output:
    """One frame on its way out: the pieces, and where cursor and pen stand after them."""

    def __init__(self, screen: Screen) -> None:
        self.parts: list[str] = []
        self._screen = screen
        self._row = self._col = -1
        self._pen = DEFAULT_PEN

    def move(self, row: int, col: int) -> None:
        """Put the cursor at a cell in the shortest way."""
        if row == self._row and col == self._col:
            return
        best = f"\x1b[{row + 1};{col + 1}H" if col else f"\x1b[{row + 1}H" if row else "\x1b[H"
        if self._row >= 0:
            down, right = row - self._row, col - self._col
            if down:
                step = "B" if down > 0 else "A"
                vertical = f"\x1b[{abs(down)}{step}" if abs(down) > 1 else f"\x1b[{step}"
            else:
                vertical = ""
            if not right:
                ways = [vertical]
            elif not col:
                ways = [vertical + "\r", "\r\n"] if down == 1 else [vertical + "\r"]
            elif right > 0:
                ways = [vertical + (f"\x1b[{right}C" if right > 1 else "\x1b[C")]
            elif right > -4:
                ways = [vertical + "\b" * -right]
            else:
                ways = [vertical + f"\x1b[{-right}D", vertical + f"\x1b[{col + 1}G"]
            best = min([best, *ways], key=len)
        self.parts.append(best)
        self._row, self._col = row, col

    def use(self, pen: int) -> None:
        """Change the pen."""
        if pen != self._pen:
            self.parts.append(self._screen.pens.change(self._pen, pen))
            self._pen = pen

    def write(self, row: int, start: int, stop: int) -> None:
        """Write the wanted cells [start, stop) of a row; a blank keeps the pen at hand if it looks the same."""
        text, pens, blank = self._screen.text[row], self._screen.pen[row], self._screen.pens.blank
        self.move(row, start)
        x = start
        while x < stop:
            pen = pens[x]
            end = x + 1
            while end < stop and pens[end] == pen:
                end += 1
            run = "".join(text[x:end])
            if pen != self._pen:
                if run.strip(" "):
                    self.use(pen)
                elif blank[self._pen] != pen:
                    self.use(pens[end] if end < stop and blank[pens[end]] == pen else pen)
            self.parts.append(run)
            x = end
        self._arrive(row, stop)

    def write_cautiously(self, row: int, start: int, stop: int) -> None:
        """Write cells of a row with clusters of uncertain width: clear below each one, and place what follows anew."""
        text, pens = self._screen.text[row], self._screen.pen[row]
        x = start
        while x < stop:
            cell = text[x]
            end = x + 1
            while end < stop and text[end] == SECOND_HALF:
                end += 1
            if is_uncertain(cell):
                self.move(row, x)
                self.use(pens[x])
                self.parts.append(" " * (end - x))
                self._row = self._col = -1
                self.move(row, x)
                self.parts.append(cell)
                self._row = self._col = -1
                x = end
                continue
            while end < stop and not is_uncertain(text[end]):
                end += 1
            self.write(row, x, end)
            x = end

    def _arrive(self, row: int, col: int) -> None:
        # Behind the last column terminals differ (wrap pending or not): the next move is absolute.
        self._row, self._col = (row, col) if col < self._screen.width else (-1, -1)
