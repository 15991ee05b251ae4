"""The style sheet of every page: colours as variables, one set for light and one for dark, told apart by shape as well."""

_LIGHT = {
    "page": "#f9f9f7",
    "surface": "#fcfcfb",
    "ink": "#0b0b0b",
    "second": "#52514e",
    "muted": "#6f6e69",
    "grid": "#e6e5e0",
    "axis": "#c3c2b7",
    "notice": "#fdf3dc",
    "s1": "#2a78d6",
    "s2": "#d9581f",
    "s3": "#158f66",
    "s4": "#b57b00",
    "s5": "#c9497f",
    "s6": "#008300",
    "s7": "#4a3aa7",
    "s8": "#d03b3b",
}
_DARK = {
    "page": "#0d0d0d",
    "surface": "#1a1a19",
    "ink": "#ffffff",
    "second": "#c3c2b7",
    "muted": "#9c9a92",
    "grid": "#2c2c2a",
    "axis": "#4a4945",
    "notice": "#33290f",
    "s1": "#5b9ee8",
    "s2": "#ee8055",
    "s3": "#2fb98a",
    "s4": "#d9a11e",
    "s5": "#e27da6",
    "s6": "#3fa53f",
    "s7": "#9d93ee",
    "s8": "#ea7070",
}

_RULES = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 4px; font-weight: 620; }
p { margin: 0 0 8px; }
.subtitle, .note, figcaption, dt, .small, footer { color: var(--second); }
.subtitle { margin-top: 6px; overflow-wrap: anywhere; }
.note { max-width: 78ch; margin-bottom: 12px; font-size: 14px; }
.notice { background: var(--notice); border-left: 4px solid var(--s4); border-radius: 4px; padding: 10px 14px; margin: 20px 0; }
.notice p { margin: 2px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 24px 0; }
.tile, figure, .scroll { background: var(--surface); border: 1px solid var(--grid); border-radius: 10px; }
.tile { padding: 12px 16px 14px; }
.tile .label { color: var(--second); font-size: 13px; }
.tile .value { font-size: 21px; line-height: 1.3; font-weight: 620; white-space: nowrap; }
.tile .small { font-size: 12.5px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 14px; }
figure { margin: 0; padding: 14px 14px 8px; min-width: 0; }
figcaption { font-size: 14px; font-weight: 600; color: var(--ink); padding: 0 2px 6px; }
figcaption .small { display: block; font-weight: 400; color: var(--second); }
svg.plot { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption { text-align: left; padding: 12px 14px 4px; font-weight: 600; }
th, td { text-align: left; padding: 7px 14px; border-top: 1px solid var(--grid); white-space: nowrap; }
thead th { border-top: 0; color: var(--second); font-weight: 600; font-size: 13px; }
tbody th { font-weight: 550; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--second); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 10px 0; font-size: 14px; }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 40px; font-size: 13px; }
.plot text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--muted); }
.plot text.tick { font-variant-numeric: tabular-nums; }
.plot text.name, .plot text.label { fill: var(--second); }
.plot .grid { stroke: var(--grid); stroke-width: 1; }
.plot .axis { stroke: var(--axis); stroke-width: 1; }
.plot .guide { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 2 3; }
.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.plot .dashed { stroke-dasharray: 6 5; }
.plot .area { stroke: none; opacity: .12; }
.plot .dot { stroke: var(--surface); stroke-width: 1; }
.plot .cross { fill: none; stroke-width: 2; }
.plot .whisker { stroke-width: 1.5; opacity: .6; }
@media print { .tile, figure, .scroll { break-inside: avoid; } }
"""


def _variables(colours: dict[str, str]) -> str:
    return ":root { " + " ".join(f"--{name}: {value};" for name, value in colours.items()) + " }"


def _slots() -> str:
    """What is stroked and what is filled with the colour of each slot."""
    rules = []
    for slot in (name for name in _LIGHT if name[0] == "s" and name[1:].isdigit()):
        rules.append(f".plot .{slot} {{ stroke: var(--{slot}); }}")
        rules.append(f".plot .dot.{slot}, .plot .area.{slot} {{ fill: var(--{slot}); }}")
        rules.append(f".plot .dot.{slot} {{ stroke: var(--surface); }} .plot .area.{slot} {{ stroke: none; }}")
    return "\n".join(rules)


SHEET = "\n".join(
    (
        _variables(_LIGHT),
        f"@media (prefers-color-scheme: dark) {{ {_variables(_DARK)} }}",
        _RULES.strip(),
        _slots(),
    )
)
