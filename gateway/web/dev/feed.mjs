// A stand-in for the gateway, for work on the page alone: simulated subjects, judged by a simplified ladder, spoken in
// the gateway's own messages. `npm run feed -- --subjects 5000 --port 8080`, then `npm run dev`. Never part of a build.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const { values: options } = parseArgs({
  options: {
    subjects: { type: "string", default: "24" },
    port: { type: "string", default: "8080" },
    rate: { type: "string", default: "2" },
    seed: { type: "string", default: "7" },
  },
});
const COUNT = Number(options.subjects);
const PER_SECOND = Number(options.rate);
const PAST = 900;

let state = Number(options.seed);
const random = () => {
  state = (state * 16807) % 2147483647;
  return state / 2147483647;
};
const noise = () => random() + random() + random() - 1.5;

const config = {
  version: 1,
  time: { allowed_lateness: 5000 },
  defaults: {
    statistic: "mean",
    window: 30_000,
    slide: 1000,
    fast_window: 3000,
    fast_min_points: 3,
    min_points: 2,
    hysteresis: 0.02,
    for: { P0: 0, P1: 2000, P2: 5000 },
    clear_for: 10_000,
    missing_after: 30_000,
    stuck_after: 600_000,
  },
  metrics: {
    clarity: {
      label: "ясность",
      values: [0, 1],
      range: [0.7, 0.9],
      optimal: [0.75, 0.85],
      target: 0.8,
      low: { P2: 0.7, P1: 0.65, P0: 0.5 },
      high: { P2: 0.85, P1: 0.9, P0: 0.95 },
    },
    chaos: {
      label: "хаос",
      values: [0, 1],
      range: [0.3, 0.6],
      optimal: [0.4, 0.5],
      target: 0.45,
      low: { P2: 0.3, P1: 0.25, P0: 0.1 },
      high: { P2: 0.6, P1: 0.7, P0: 0.8 },
    },
    trust: {
      label: "доверие",
      values: [0, 1],
      range: [0.6, 0.9],
      optimal: [0.75, 0.9],
      target: 0.8,
      low: { P2: 0.6, P1: 0.55, P0: 0.4 },
      high: { P2: 0.9, P1: 0.95, P0: null },
    },
    pain: {
      label: "боль",
      values: [0, 1],
      range: [0.2, 0.5],
      optimal: [0.2, 0.4],
      target: 0.3,
      low: {},
      high: { P2: 0.5, P1: 0.6, P0: 0.7 },
    },
  },
};
const HASH = "9f31c2a07be4";
const TARGETS = { clarity: 0.79, chaos: 0.44, trust: 0.8, pain: 0.3 };
// Where the first subjects are heading, so that the list has somebody in need.
const DRIFTS = {
  alpha: { clarity: 0.87, chaos: 0.235, trust: 0.772, pain: 0.262 },
  iskra: { clarity: 0.86 },
  "dialogue-42": { pain: 0.53 },
};
const NAMES = (
  "alpha iskra dialogue-42 gamma team-north delta kappa orion sigma theta beta lab-7 lab-8 omega nova quiet-1 " +
  "команда-юг рассвет eta zeta mu lambda rho tau"
).split(" ");

const rungsOf = (metric) =>
  ["low", "high"].flatMap((side) =>
    Object.entries(config.metrics[metric][side] ?? {})
      .filter(([, bound]) => bound !== null)
      .map(([priority, bound]) => ({ side, priority, bound, entered: false, since: null })),
  );

const start = Math.floor(Date.now() / 1000) - PAST;
let offset = 80_000;
let seq = 0;
const epoch = String(Date.now());

const subjects = Array.from({ length: COUNT }, (_, i) => {
  const subject = NAMES[i] ?? `subject-${String(i).padStart(4, "0")}`;
  return {
    namespace: "iskra",
    tenant: i % 11 === 10 ? "north" : "default",
    subject,
    last_ts: 0,
    silentFrom: subject === "gamma" ? start + PAST - 120 : Number.POSITIVE_INFINITY,
    metrics: Object.fromEntries(
      Object.keys(config.metrics).map((m) => [
        m,
        { level: TARGETS[m], buckets: new Map(), rungs: rungsOf(m), status: null, last: 0 },
      ]),
    ),
  };
});
const history = new Map();
const byId = new Map();
const PRIORITIES = ["P2", "P1", "P0"];

function windowOf(metric, second, seconds) {
  let sum = 0;
  let count = 0;
  for (let s = second - seconds + 1; s <= second; s++) {
    const b = metric.buckets.get(s);
    if (b) {
      sum += b.sum;
      count += b.count;
    }
  }
  return { count, mean: count ? sum / count : null };
}

function judge(s, name, second) {
  const m = s.metrics[name];
  const { count, mean } = windowOf(m, second, 30);
  const fast = windowOf(m, second, 3);
  const before = m.rungs.map((r) => ({ ...r }));
  const now = second * 1000;
  let reason = null;
  if (now - m.last >= 30_000) reason = "missing";
  else if (count < 2) reason = "sparse";
  else {
    for (const rung of m.rungs) {
      const { side, priority, bound } = rung;
      const beyond = (v) => v !== null && (side === "low" ? v < bound : v > bound);
      const inside = (v) => v === null || (side === "low" ? v >= bound + 0.02 : v <= bound - 0.02);
      const fastMean = priority === "P0" && fast.count >= 3 ? fast.mean : null;
      const holds = rung.entered ? inside(mean) && inside(fastMean) : beyond(mean) || beyond(fastMean);
      if (!holds) rung.since = null;
      else {
        rung.since ??= now;
        if (now - rung.since >= (rung.entered ? 10_000 : config.defaults.for[priority])) {
          rung.entered = !rung.entered;
          rung.since = null;
        }
      }
    }
  }
  const top = m.rungs
    .filter((r) => r.entered)
    .sort((a, b) => PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority))[0];
  const level = reason ? "UNKNOWN" : top ? (top.priority === "P2" ? "WARN" : "BLOCK") : "OK";
  const known = m.status;
  const priority = reason ? null : (top?.priority ?? null);
  if (known && known.level === level && known.priority === priority && known.reason === reason) return null;
  const id = `7-${offset}-0-0-${(offset * 2654435761).toString(16).slice(-8)}${name}`;
  const status = {
    namespace: s.namespace,
    id,
    tenant: s.tenant,
    subject: s.subject,
    metric: name,
    level,
    priority,
    reason,
    previous: known && { level: known.level, priority: known.priority, since: known.since },
    value: mean,
    fast_value: fast.count >= 3 ? fast.mean : null,
    statistic: "mean",
    window_ms: 30_000,
    bound: reason ? null : (top?.bound ?? null),
    side: reason ? null : (top?.side ?? null),
    since: now,
    evidence: {
      count,
      late: 0,
      topic: "iskra.metrics.points",
      partition: 7,
      first_offset: offset - count,
      last_offset: offset,
      rungs: before,
    },
    config: HASH,
  };
  m.status = status;
  byId.set(id, status);
  const key = `${s.tenant}|${s.subject}`;
  const list = history.get(key) ?? [];
  list.unshift(status);
  if (list.length > 200) list.pop();
  history.set(key, list);
  return status;
}

function* advance(s, second, from, to) {
  // Points of [from, to) of one second (shares of it), then the judging that follows.
  if (second >= s.silentFrom) return;
  for (const [name, m] of Object.entries(s.metrics)) {
    const goal = second - start > PAST * 0.45 ? (DRIFTS[s.subject]?.[name] ?? TARGETS[name]) : TARGETS[name];
    for (let k = Math.ceil(from * PER_SECOND); k < to * PER_SECOND; k++) {
      m.level += (goal - m.level) / (90 * PER_SECOND) + 0.0006 * noise();
      const value = Math.min(1, Math.max(0, m.level + 0.018 * noise()));
      const ts = second * 1000 + Math.floor((k / PER_SECOND) * 1000);
      const b = m.buckets.get(second);
      if (b) {
        b.sum += value;
        b.count += 1;
        b.min = Math.min(b.min, value);
        b.max = Math.max(b.max, value);
      } else m.buckets.set(second, { sum: value, count: 1, min: value, max: value });
      m.last = ts;
      s.last_ts = ts;
      offset += 1;
      yield [name, ts, value];
    }
  }
}

let clock = start * 1000;
for (let second = start; second < start + PAST; second++) {
  for (const s of subjects) {
    if (second < start + PAST - 60 && !NAMES.includes(s.subject)) continue;
    for (const _ of advance(s, second, 0, 1));
    for (const name of Object.keys(s.metrics)) judge(s, name, second);
  }
}
clock = Date.now();

const slim = ({ evidence: _, ...status }) => status;
const clients = new Set();

function step() {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  const statuses = [];
  const points = new Map();
  const lastSecond = Math.floor(clock / 1000);
  for (const s of subjects) {
    const made = [];
    for (let at = lastSecond; at <= second; at++) {
      const from = at === lastSecond ? (clock % 1000) / 1000 : 0;
      const to = at === second ? (now % 1000) / 1000 : 1;
      made.push(...advance(s, at, from, to));
    }
    if (made.length) points.set(s, made);
    if (second !== lastSecond) {
      for (const [name, m] of Object.entries(s.metrics)) {
        const status = judge(s, name, second);
        if (status) statuses.push(status);
        m.buckets.delete(second - PAST - 60);
      }
    }
  }
  const sparks =
    second !== lastSecond
      ? Object.fromEntries(
          [...points].map(([s, made]) => [`${s.namespace}|${s.tenant}|${s.subject}`, made.at(-1)?.[2] ?? 0]),
        )
      : undefined;
  clock = now;
  seq += 1;
  for (const c of clients) {
    const mine = c.focus ? points.get(c.focus) : undefined;
    if (!statuses.length && !mine && !sparks) continue;
    const verdicts = statuses.filter((v) => c.focus && v.subject === c.focus.subject && v.tenant === c.focus.tenant);
    c.send({ type: "delta", seq, server_time: now, statuses: statuses.map(slim), verdicts, points: mine, sparks });
  }
}
setInterval(step, 100);

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const dist = new URL("../dist", import.meta.url).pathname;

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  const json = (body, status = 200) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const who = () =>
    subjects.find((s) => s.tenant === url.searchParams.get("tenant") && s.subject === url.searchParams.get("subject"));
  if (url.pathname === "/api/v1/series") {
    const m = who()?.metrics[url.searchParams.get("metric")];
    const from = Number(url.searchParams.get("from")) / 1000;
    const to = Number(url.searchParams.get("to")) / 1000;
    const rows = [...(m?.buckets ?? [])]
      .filter(([s]) => s >= from && s <= to)
      .map(([s, b]) => [s * 1000, b.sum / b.count, b.min, b.max, b.count]);
    return json({ step: 1000, points: rows });
  }
  if (url.pathname === "/api/v1/verdicts") {
    const s = who();
    return json({ items: (history.get(`${s?.tenant}|${s?.subject}`) ?? []).slice(0, 50) });
  }
  const one = /^\/api\/v1\/verdicts\/([^/]+)(\/explain)?$/.exec(url.pathname);
  if (one) {
    const found = byId.get(decodeURIComponent(one[1]));
    if (!found) return json({ detail: "unknown" }, 404);
    return one[2] ? json({ detail: "the stand-in has no log" }, 501) : json(found);
  }
  const path = url.pathname.startsWith("/assets/") ? url.pathname : "/index.html";
  const file = join(dist, normalize(path));
  if (!existsSync(file)) return json({ detail: "not found; run npm run build" }, 404);
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": "default-src 'self'; connect-src 'self'",
  });
  createReadStream(file).pipe(response);
});

new WebSocketServer({ server, path: "/ws" }).on("connection", (socket) => {
  const client = { focus: null, send: (message) => socket.send(JSON.stringify(message)) };
  client.send({
    type: "hello",
    epoch,
    server_time: Date.now(),
    namespaces: ["iskra", "demo"],
    config,
    config_hash: HASH,
  });
  socket.on("message", (raw) => {
    const message = JSON.parse(String(raw));
    if (message.op === "ping") return client.send({ type: "pong", server_time: Date.now(), echo: message.echo });
    const inside = message.namespace === "iskra" ? subjects : [];
    client.focus = inside.find((s) => s.subject === message.subject && s.tenant === message.focus_tenant) ?? null;
    clients.add(client);
    if (message.resume?.epoch === epoch) return client.send({ type: "resumed", seq });
    const statuses = inside.flatMap((s) => Object.values(s.metrics).flatMap((m) => (m.status ? [slim(m.status)] : [])));
    client.send({
      type: "snapshot",
      seq,
      server_time: Date.now(),
      statuses,
      subjects: inside.map(({ namespace, tenant, subject, last_ts }) => ({ namespace, tenant, subject, last_ts })),
    });
  });
  socket.on("close", () => clients.delete(client));
});
server.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`stand-in gateway with ${COUNT} simulated subjects: http://127.0.0.1:${server.address().port}/pulse`);
});
