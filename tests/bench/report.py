"""What was measured, as Markdown and as a picture."""
import os
import pathlib
import platform
import statistics
from xml.sax.saxutils import escape

# The rows of the short table and of the picture: workload, words.
ROWS = [
    ("small", "1 KiB, keep-alive, 64 connections"),
    ("browser", "the same with a browser's 13 fields"),
    ("pipelined", "the same, 16 requests pipelined"),
    ("beside", "the same beside idle connections"),
    ("many", "10,000 small files at random"),
    ("medium", "100 KiB"),
    ("large", "100 MiB, 1 connection"),
    ("large8", "100 MiB, 8 connections"),
    ("ranges", "64 KiB ranges of a huge file"),
    ("connect", "a new connection for each request"),
    ("unchanged", "304"),
    ("missing", "404"),
    ("upload", "upload of 256 MiB"),
    ("listing", "listing of 1,000 entries"),
]
# The rows with two workers, and whose latency is measured.
TWO = [("small2", "two workers: 1 KiB, keep-alive"), ("connect2", "two workers: a new connection for each request")]
COMPARED = {"barewire", "nginx", "nginx-lean", "h2o", "lighttpd"}
# CPU seconds per GB instead of microseconds per request.
BULK = {"large", "large8", "upload"}
OURS = "barewire"
# Processor seconds of a measurement, at least.
LEAST = 0.03


def sound(rounds):
    """Whether what was measured is the work that was asked for."""
    return bool(rounds) and all(r["responses"] > 0 and r["wrong"] + r["errors"] <= r["responses"] / 100 for r in rounds)


def figure(results, workload, name):
    """The median; `None` where nothing sound was measured."""
    if workload == "upload" and name == OURS:
        name = "barewire --write"
    rounds = results.get(workload, {}).get(name, [])
    # The kernel counts in ticks of 10 ms: a server that stalled (40 ms waits for an acknowledgement) used too few.
    if sound(rounds) and statistics.median(r["busy"] * r["seconds"] for r in rounds) < LEAST:
        return None
    return statistics.median(r["figure"] for r in rounds) if sound(rounds) else None


def shown(workload, value):
    if value is None:
        return "–"
    return f"{value:.3f}" if workload in BULK else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def row(words, values, show, best=min):
    known = [v for v in values if v is not None]
    cells = [f"**{show(v)}**" if v is not None and len(known) > 1 and v == best(known) else show(v) for v in values]
    return f"| {words} | " + " | ".join(cells) + " |"


def summary(data):
    """One row for each workload, one column for each server."""
    results, names = data["results"], [n for n in data["servers"] if not n.startswith(OURS + " ")]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for workload, words in ROWS + TWO:
        values = [figure(results, workload, n) for n in names]
        if any(v is not None for v in values):
            unit = " (s/GB)" if workload in BULK else ""
            lines.append(row(words + unit, values, lambda v, w=workload: shown(w, v)))
    for key, words in (("small", "one worker"), ("small2", "two workers")):
        measured = data["latency"].get(key, {})
        for name, share in (("p99", "p99"), ("p999", "p99.9")):
            values = [statistics.median(r[name] for r in measured[n]) if n in measured else None for n in names]
            if any(v is not None for v in values):
                lines.append(row(f"{words} at 60 % load: {share}, µs", values, lambda v: "–" if v is None else f"{v:.0f}"))
    facts = [
        ("system calls for 1 KiB", "calls", lambda v: f"{v:.1f}"),
        ("instructions for 1 KiB, outside the kernel", "instructions", lambda v: f"{v:,.0f}"),
        ("memory of an idle connection, KiB", "idle", lambda v: f"{v:.2f}"),
        ("start to first response, ms", "start", lambda v: f"{v:.1f}"),
        ("memory at rest, MiB", "rest", lambda v: f"{v:.1f}"),
        ("program, MiB", "size", lambda v: f"{v:.1f}"),
    ]
    for words, key, show in facts:
        values = [data[key].get(n) for n in names]
        if any(v is not None for v in values):
            lines.append(row(words, values, lambda v, s=show: "–" if v is None else s(v)))
    return "\n".join(lines)


def variants(data):
    """What more costs, in one sentence."""
    results, parts = data["results"], []
    for name in data["servers"]:
        if not name.startswith(OURS + " "):
            continue
        said = []
        for workload, words in (("small", "1 KiB"), ("browser", "the browser's request"), ("connect", "a connection per request")):
            ours, more = figure(results, workload, OURS), figure(results, workload, name)
            if ours and more:
                said.append(f"{words} {more:.2f} ({more / ours - 1:+.0%})")
        if said:
            parts.append(f"With `{name.removeprefix(OURS + ' ')}`: {', '.join(said)}.")
    return " ".join(parts)


def machine():
    control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return f"{os.cpu_count()} processors, {platform.system()} {platform.release().split('-')[0]}, TCP with {control}"


def section(data, picture):
    """The block of the README."""
    rounds = f"medians of {data['rounds']} rounds" if data["rounds"] > 1 else "one round"
    return f"""CPU microseconds per request (seconds per GB for the large ones) of the whole server, one loop on one core; all servers
in the same run, each measured in every round; {rounds}; {machine()}. `nginx` has its usual tuning, `nginx-lean` the
same without `tcp_nopush`. `python3 tests/bench/run.py` measures it on your machine.

![CPU time per request beside nginx]({picture})

{summary(data)}

{variants(data)}
""".rstrip() + "\n"


def details(data):
    """Every workload with its spread."""
    out, base = [], data["base"]
    for workload, by_server in data["results"].items():
        unit = "CPU s/GB" if workload in BULK else "CPU µs/request"
        out.append(f"\n### {workload}: {data['titles'][workload]}\n\n| server | {unit} | least | spread | × {base} | requests/s "
                   "| busy | p50 µs | p99 µs | wrong, errors |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        medians = {n: statistics.median(r["figure"] for r in rounds) for n, rounds in by_server.items() if rounds}
        for name in sorted(medians, key=medians.get):
            rounds = by_server[name]
            bad = f"{sum(r['wrong'] for r in rounds)}, {sum(r['errors'] for r in rounds)}"
            if not sound(rounds):
                out.append(f"| {name} | not measured | | | | | | | | {bad} |")
                continue
            values = [r["figure"] for r in rounds]
            spread = (max(values) - min(values)) / medians[name] if medians[name] else 0
            ratio = f"{medians[name] / medians[base]:.2f}" if medians.get(base) and sound(by_server[base]) else "–"
            rate, busy, p50, p99 = (statistics.median(r[k] for r in rounds) for k in ("rate", "busy", "p50", "p99"))
            out.append(f"| {name} | {shown(workload, medians[name])} | {shown(workload, min(values))} | {spread:.0%} | {ratio} "
                       f"| {rate:,.0f} | {busy:.0%} | {p50:.0f} | {p99:.0f} | {bad} |")
    if data["detail"]:
        out.append("\n### System calls per 1 KiB request\n\n| server | all | which |\n|---|---:|---|")
        for name, counts in data["detail"].items():
            which = ", ".join(f"{call} {count:.2f}" for call, count in sorted(counts.items(), key=lambda c: -c[1]) if count >= 0.005)
            out.append(f"| {name} | {sum(counts.values()):.2f} | {which} |")
    return "\n".join(out)


# Shapes differ as well as colours: not everybody sees the latter.
MARKS = {
    "nginx-lean": '<circle cx="{x}" cy="{y}" r="4.5" class="peer"/>',
    "h2o": '<path d="M{x} {y}m-5 4.5h10l-5-9z" class="peer"/>',
    "lighttpd": '<path d="M{x} {y}m-4-4h8v8h-8z" class="peer"/>',
    "caddy": '<path d="M{x} {y}m-5.5 0l5.5-5.5 5.5 5.5-5.5 5.5z" class="peer"/>',
    "darkhttpd": '<path d="M{x} {y}m-4-4l8 8m0-8l-8 8" class="peer"/>',
}
LEFT, WIDTH, RIGHT, TOP, STEP, MOST = 262, 400, 88, 66, 26, 1.6


def picture(data):
    """Each workload a row: barewire a bar, nginx the line at 1, the others marks. Shorter is better."""
    results, base = data["results"], data["base"]
    rows = [(w, words, figure(results, w, OURS), figure(results, w, base)) for w, words in ROWS]
    rows = [(w, words, ours, theirs) for w, words, ours, theirs in rows if ours and theirs]
    others = [n for n in MARKS if n in data["servers"]]
    height, total = TOP + STEP * len(rows) + 58, LEFT + WIDTH + RIGHT
    at = lambda ratio: round(LEFT + min(ratio, MOST) / MOST * WIDTH, 1)
    told = "; ".join(f"{words} {ours / theirs:.2f}" for _, words, ours, theirs in rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" height="{height}" '
        'role="img" aria-labelledby="t d">',
        f'<title id="t">CPU time per request of barewire, with {base} as 1; shorter is better</title>',
        f'<desc id="d">barewire needs, with {base} as 1: {escape(told)}.</desc>',
        '<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.dim{fill:#59636e}.b{font-weight:600}'
        '.bar{fill:#0969da}.more{fill:#bc4c00}.peer{fill:#fff;stroke:#59636e;stroke-width:1.6}.axis{stroke:#d1d9e0}'
        '.one{stroke:#1f2328;stroke-width:1.6}.e{text-anchor:end}.m{text-anchor:middle}'
        '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.bar{fill:#4493f8}.more{fill:#f0883e}'
        '.peer{fill:#0d1117;stroke:#9198a1}.axis{stroke:#3d444d}.one{stroke:#f0f6fc}}</style>',
        f'<text x="0" y="18" class="b">CPU time per request, {escape(base)} = 1</text>',
        '<text x="0" y="38" class="dim">Shorter is better. The bar is barewire.</text>',
    ]
    bottom = TOP + STEP * len(rows)
    for ratio in (0, 0.5, 1, 1.5):
        kind = "one" if ratio == 1 else "axis"
        out.append(f'<path d="M{at(ratio)} {TOP - 8}V{bottom}" class="{kind}"/>')
        out.append(f'<text x="{at(ratio)}" y="{TOP - 14}" class="dim m">{base if ratio == 1 else f"{ratio:g}"}</text>')
    for number, (workload, words, ours, theirs) in enumerate(rows):
        y = TOP + STEP * number + STEP / 2
        ratio = ours / theirs
        out.append(f'<text x="{LEFT - 12}" y="{y + 4.5}" class="e">{escape(words)}</text>')
        out.append(f'<rect x="{LEFT}" y="{y - 7}" width="{round(at(ratio) - LEFT, 1)}" height="14" rx="2" class="{"bar" if ratio <= 1 else "more"}"/>')
        for name in others:
            value = figure(results, workload, name)
            if value and value / theirs <= MOST:
                out.append(MARKS[name].format(x=at(value / theirs), y=y))
        out.append(f'<text x="{LEFT + WIDTH + 12}" y="{y + 4.5}" class="b">{ratio:.2f}</text>')
    x = LEFT
    for name in others:
        out.append(MARKS[name].format(x=x + 6, y=bottom + 24))
        out.append(f'<text x="{x + 17}" y="{bottom + 28.5}" class="dim">{name}</text>')
        x += 34 + 7.6 * len(name)
    if others:
        out.append(f'<text x="{LEFT}" y="{bottom + 50}" class="dim">Marks beyond {MOST} are left out.</text>')
    return "\n".join(out + ["</svg>", ""])
