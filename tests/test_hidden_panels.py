"""Panels that are not on the screen while data come."""

from __future__ import annotations

from dataclasses import replace

from textual.containers import Container

from tests.panel_app import LOOK, PanelApp, give
from tests.sample import sample
from widgets.look import Scene
from widgets.models import ModelsPanel


async def test_what_came_while_a_panel_was_hidden_is_painted_when_it_is_shown() -> None:
    app = PanelApp()
    async with app.run_test(size=(100, 12)) as pilot:
        panel = ModelsPanel(LOOK)
        holder = Container(panel)
        await app.mount(holder)
        give(panel, sample())
        await pilot.pause()
        holder.display = False
        await pilot.pause()
        renamed = tuple(replace(model, model=f"other{i}") for i, model in enumerate(sample().models))
        panel.show(renamed, Scene.of(sample()))
        holder.display = True
        await pilot.pause()
        painted = app.export_screenshot()
        assert "other0" in painted
        assert sample().models[0].model not in painted
