"""Rows and panels as Grafana's JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from .panels import BLUE, Panel, Row
from .queries import JOB, REQUESTS

Json = dict[str, Any]

SCHEMA = 39
"""Of Grafana 10.4; later ones read it."""

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


def board(name: str, about: str, rows: Sequence[Row]) -> Json:
    """A dashboard as it is imported."""
    return {
        "uid": f"tollway-{name}",
        "title": f"Tollway: {name}",
        "description": about,
        "tags": ["tollway"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h" if name != "cost" else "now-7d", "to": "now"},
        "timezone": "",
        "links": [
            {
                "type": "dashboards",
                "tags": ["tollway"],
                "title": "Tollway",
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "annotations": {"list": [_reloads()]},
        "templating": {"list": list(_variables())},
        "panels": list(_panels(rows)),
    }


def _reloads() -> Json:
    return {
        "name": "Configuration applied",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": BLUE,
        "expr": f"changes(tollway_config_last_reload_timestamp_seconds{{{JOB}}}[2m]) > 0",
        "step": "60s",
        "titleFormat": "Configuration applied",
        "textFormat": "{{instance}}",
    }


def _variables() -> Iterator[Json]:
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
    }
    sources = {
        "job": "label_values(tollway_build_info, job)",
        "route": f"label_values({REQUESTS}{{{JOB}}}, route)",
        "provider": f"label_values({REQUESTS}{{{JOB}}}, provider)",
        "model": f'label_values({REQUESTS}{{{JOB}, provider=~"$provider"}}, model)',
    }
    for name, query in sources.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            # Matches requests too that got to no provider, and so have an empty label.
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"], "selected": True},
            "hide": 0,
        }


def _panels(rows: Sequence[Row]) -> Iterator[Json]:
    """From top to bottom, a line of 24 columns after the other."""
    number, top = 0, 0
    for row in rows:
        if row.title:
            number += 1
            yield {
                "id": number,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
            }
            top += 1
        left = 0
        for panel in row.panels:
            if left + panel.wide > 24:
                top, left = top + row.high, 0
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.wide, "h": row.high})
            left += panel.wide
        top += row.high


def _panel(panel: Panel, number: int, place: Json) -> Json:
    at_once = panel.kind in ("table", "bargauge")
    made: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": "ABCDEFGH"[index],
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": query,
                "legendFormat": legend or "__auto",
                "instant": at_once,
                "range": not at_once,
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for index, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
    }
    if panel.kind == "table":
        made["transformations"] = [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: index for index, name in enumerate(panel.names)},
                    "renameByName": dict(panel.names),
                },
            }
        ]
    return made


def _defaults(panel: Panel) -> Json:
    made: Json = {
        "unit": panel.unit,
        "min": 0 if panel.kind in ("timeseries", "bargauge") else None,
        "max": panel.most,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in panel.steps],
        },
        "mappings": [
            {"type": "value", "options": {str(value): {"text": text, "color": colour, "index": index}}}
            for index, (value, (text, colour)) in enumerate(panel.words.items())
        ],
    }
    if panel.decimals is not None:
        made["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        made["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {name: value for name, value in made.items() if value is not None}


def _overrides(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in panel.colours.items()
    ]


def _options(panel: Panel) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "stat":
        return {
            "reduceOptions": reduced,
            "colorMode": "value",
            "graphMode": "area" if "$__range" not in panel.queries[0][0] else "none",
            "justifyMode": "center",
            "textMode": "value",
        }
    if panel.kind == "bargauge":
        return {"reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
    if panel.kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    if panel.kind == "state-timeline":
        return {
            "mergeValues": True,
            "showValue": "auto",
            "legend": {"showLegend": False},
            "tooltip": {"mode": "single"},
        }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
