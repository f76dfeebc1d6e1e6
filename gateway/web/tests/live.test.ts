import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Config, Delta, SeriesRow, ServerMessage, Status } from "../src/contract";
import type { LifeLine } from "../src/life";
import { Beat } from "../src/live/beat";
import { Focus } from "../src/live/focus";
import { Pulse } from "../src/live/pulse";

/** A browser's socket, held in the hand. */
class Wire {
  static readonly OPEN = 1;
  static all: Wire[] = [];
  readyState = 1;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) {
    Wire.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  says(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  subscriptions(): Record<string, unknown>[] {
    return this.sent.filter((m) => m.op === "subscribe");
  }
}

const none = { namespace: null, tenant: null, subject: null, verdict: null };
const hello = (epoch: string): ServerMessage => ({
  type: "hello",
  epoch,
  server_time: Date.now(),
  namespaces: ["iskra", "demo"],
  config: null,
  config_hash: null,
});
const status = (subject: string, level: Status["level"], since = 1): Status =>
  ({
    namespace: "iskra",
    id: `${subject}-${level}-${since}`,
    tenant: "default",
    subject,
    metric: "clarity",
    level,
    priority: null,
    since,
  }) as Status;
const snapshot = (seq: number, ...statuses: Status[]): ServerMessage => ({
  type: "snapshot",
  seq,
  server_time: Date.now(),
  statuses,
  subjects: statuses.map(({ namespace, tenant, subject }) => ({ namespace, tenant, subject, last_ts: 5 })),
});

beforeEach(() => {
  vi.useFakeTimers();
  Wire.all = [];
  vi.stubGlobal("WebSocket", Wire);
  vi.stubGlobal("window", { addEventListener: () => {}, setTimeout, setInterval });
  vi.stubGlobal("document", { addEventListener: () => {}, hidden: false });
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw, 16));
  vi.stubGlobal("fetch", () => Promise.reject(new Error("no store here")));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function open(): { pulse: Pulse; wire: Wire } {
  const pulse = new Pulse("ws://here/ws", none);
  pulse.link.open();
  const wire = Wire.all[0] as Wire;
  wire.onopen?.();
  wire.says(hello("e1"));
  return { pulse, wire };
}

test("however many changes a frame brings, it is drawn once", () => {
  const beat = new Beat();
  const draw = vi.fn();
  beat.listen(draw);
  for (let i = 0; i < 500; i++) beat.emit();
  vi.advanceTimersByTime(20);
  expect(draw).toHaveBeenCalledTimes(1);
});

test("a slow view is drawn no more often than it says, and never misses the last change", () => {
  const beat = new Beat(400);
  const draw = vi.fn();
  beat.listen(draw);
  for (let i = 0; i < 100; i++) {
    beat.emit();
    vi.advanceTimersByTime(10);
  }
  expect(draw.mock.calls.length).toBeLessThanOrEqual(3);
  const before = draw.mock.calls.length;
  beat.emit();
  vi.advanceTimersByTime(500);
  expect(draw.mock.calls.length).toBe(before + 1);
});

test("after the server's hello the first namespace is looked at, whole", () => {
  const { pulse, wire } = open();
  expect(wire.subscriptions()).toEqual([
    { op: "subscribe", namespace: "iskra", tenant: null, subject: null, points: false, quick: false, resume: null },
  ]);
  wire.says(snapshot(7, status("a", "OK"), status("b", "WARN")));
  expect(pulse.list().map((row) => row.subject)).toEqual(["b", "a"]);
});

test("a delta replaces the latest status, and a metric that is gone takes its subject with it", () => {
  const { pulse, wire } = open();
  wire.says(snapshot(7, status("a", "OK"), status("b", "WARN")));
  wire.says({
    type: "delta",
    seq: 8,
    server_time: 0,
    statuses: [status("a", "BLOCK", 2)],
    sparks: { "iskra|default|a": 0.5 },
  });
  expect(pulse.list().map((row) => row.subject)).toEqual(["a", "b"]);
  expect(pulse.row("default", "a")?.spark).toEqual([0.5]);
  wire.says({ type: "delta", seq: 9, server_time: 0, removed: ["iskra|default|b|clarity"] });
  expect(pulse.list().map((row) => row.subject)).toEqual(["a"]);
});

test("an alert that begins or ends to fire moves its subject in the list", () => {
  const { pulse, wire } = open();
  wire.says(snapshot(7, status("a", "UNKNOWN"), status("b", "WARN")));
  const order = () => pulse.list().map((row) => row.subject);
  const line = { namespace: "iskra", tenant: "default", subject: "a", active: [], queued: [], firing: 1, worst: "P0" };
  wire.says({ type: "delta", seq: 8, server_time: 0, lives: [line as unknown as LifeLine] });
  expect(order()).toEqual(["a", "b"]);
  expect(pulse.row("default", "a")?.need).toMatchObject({ level: "UNKNOWN", alert: "P0" });
  wire.says({
    type: "delta",
    seq: 9,
    server_time: 0,
    lives: [{ ...line, firing: 0, worst: null } as unknown as LifeLine],
  });
  expect(order()).toEqual(["b", "a"]);
  wire.says({
    ...snapshot(10, status("a", "UNKNOWN"), status("b", "WARN")),
    lives: [line],
  } as unknown as ServerMessage);
  expect(order()).toEqual(["a", "b"]);
});

test("the list keeps its order while somebody points at it, and sorts afterwards", () => {
  const { pulse, wire } = open();
  wire.says(snapshot(7, status("a", "OK"), status("b", "WARN")));
  pulse.list();
  pulse.hold();
  wire.says({ type: "delta", seq: 8, server_time: 0, statuses: [status("a", "BLOCK", 2)] });
  expect(pulse.list().map((row) => row.subject)).toEqual(["b", "a"]);
  vi.advanceTimersByTime(2_000);
  expect(pulse.list().map((row) => row.subject)).toEqual(["a", "b"]);
});

test("cut off, it says since when, comes back by itself and resumes where it was", () => {
  const { pulse, wire } = open();
  wire.says(snapshot(7, status("a", "OK")));
  wire.says({ type: "delta", seq: 12, server_time: 0, statuses: [status("a", "WARN", 2)] });
  const cut = Date.now();
  wire.onclose?.({ code: 1006 });
  expect(pulse.link.state).toEqual({ kind: "lost", since: cut });
  expect(pulse.now()).toBeNull();
  vi.advanceTimersByTime(400);
  const second = Wire.all[1] as Wire;
  second.onopen?.();
  second.says(hello("e1"));
  expect(pulse.link.state.kind).toBe("live");
  expect(second.subscriptions()[0]).toMatchObject({ resume: { epoch: "e1", seq: 12 } });
  expect(pulse.list().map((row) => row.subject)).toEqual(["a"]);
});

test("a gateway that was started anew is asked for everything", () => {
  const { wire } = open();
  wire.says(snapshot(7, status("a", "OK")));
  wire.onclose?.({ code: 1006 });
  vi.advanceTimersByTime(400);
  const second = Wire.all[1] as Wire;
  second.onopen?.();
  second.says(hello("e2"));
  expect(second.subscriptions()[0]).toMatchObject({ resume: null });
});

test("a link on which nothing is heard any more is lost though no socket closes", () => {
  const { pulse } = open();
  vi.advanceTimersByTime(13_000);
  expect(pulse.link.state.kind).toBe("lost");
  expect(Wire.all.length).toBeGreaterThan(1);
});

test("turned away as too slow, it waits two seconds at least", () => {
  const { wire } = open();
  wire.onclose?.({ code: 1013 });
  vi.advanceTimersByTime(1_900);
  expect(Wire.all.length).toBe(1);
  vi.advanceTimersByTime(200);
  expect(Wire.all.length).toBe(2);
});

const judged = {
  time: { allowed_lateness: 5_000 },
  windows: [60_000, 10_000],
  metrics: {},
} as unknown as Config;

/** Looks at `a` of a gateway that began `up` ms ago; the engine wrote of it last `behind` ms ago. */
function watch(namespace: string, up: number, behind: number, rows: SeriesRow[] = []): { pulse: Pulse; wire: Wire } {
  const answer = { ok: true, json: () => Promise.resolve({ points: rows, items: [] }) };
  vi.stubGlobal("fetch", () => Promise.resolve(answer));
  const pulse = new Pulse("ws://here/ws", { namespace, tenant: "default", subject: "a", verdict: null });
  pulse.link.open();
  const wire = Wire.all.at(-1) as Wire;
  wire.onopen?.();
  const now = Date.now();
  wire.says({ ...hello("e1"), config: judged } as ServerMessage);
  const seen = { namespace, tenant: "default", subject: "a", last_ts: now - behind };
  const statuses = [{ ...status("a", "OK", now - 600_000), namespace }];
  wire.says({ type: "snapshot", seq: 1, server_time: now, began: now - up, statuses, subjects: [seen] });
  return { pulse, wire };
}

/** A point of `a` each second for so long, and what the engine wrote meanwhile. */
function live(wire: Wire, seconds: number, wrote: (ts: number) => number | undefined): void {
  for (let i = 0; i < seconds; i++) {
    vi.advanceTimersByTime(1_000);
    const ts = Date.now();
    const told = wrote(ts);
    wire.says({
      type: "delta",
      seq: 2 + i,
      server_time: ts,
      points: [["clarity", ts, 0.8]],
      ...(told ? { judged: told } : {}),
    });
  }
}

const unjudged = (pulse: Pulse) => pulse.focus?.windows.unjudged(pulse.heard()) ?? null;

test("points that come on while the engine writes nothing are not vouched for, until it has caught up", () => {
  const { pulse, wire } = watch("iskra", 3_600_000, 0);
  const last = Date.now();
  live(wire, 25, () => undefined);
  expect(unjudged(pulse)).toBe(last);
  live(wire, 1, (ts) => ts - 5_000);
  expect(unjudged(pulse)).toBeNull();
});

test("windows that come every ten seconds vouch for what lies between them", () => {
  const { pulse, wire } = watch("iskra", 3_600_000, 0);
  for (let minute = 0; minute < 3; minute++) {
    live(wire, 60, (ts) => Math.floor((ts - 5_000) / 10_000) * 10_000);
    expect(unjudged(pulse)).toBeNull();
  }
});

test("opened long after the worker died, the page knows it as soon as the store has told of the points", async () => {
  const now = Date.now();
  const rows = Array.from({ length: 400 }, (_, i): SeriesRow => [now - (400 - i) * 1000, 0.8, 0.8, 0.8, 1]);
  const dead = watch("iskra", 3_600_000, 300_000, rows);
  await vi.advanceTimersByTimeAsync(10);
  expect(unjudged(dead.pulse)).toBe(now - 300_000);
  // A gateway that has just started has heard of no window yet, whoever judges.
  const young = watch("iskra", 1_000, 300_000, rows);
  await vi.advanceTimersByTimeAsync(10);
  expect(unjudged(young.pulse)).toBeNull();
});

test("who turns to a subject that was listed long ago learns how far it is judged before its past comes", async () => {
  const rows = Array.from({ length: 400 }, (_, i): SeriesRow => [Date.now() + i * 1000, 0.8, 0.8, 0.8, 1]);
  const { pulse, wire } = watch("iskra", 3_600_000, 0);
  vi.setSystemTime(Date.now() + 400_000);
  const answer = { ok: true, json: () => Promise.resolve({ points: rows, items: [] }) };
  vi.stubGlobal("fetch", () => Promise.resolve(answer));
  wire.says({ type: "resumed", seq: 1, judged: Date.now() - 10_000 });
  await vi.advanceTimersByTimeAsync(10);
  expect(pulse.focus?.tracks.size).toBeGreaterThan(0);
  expect(unjudged(pulse)).toBeNull();
});

test("in virtual time the log goes on with the other subjects of the namespace", () => {
  const { pulse, wire } = watch("demo", 3_600_000, 0);
  wire.says({ type: "delta", seq: 2, server_time: 0, clock: 900_000 });
  wire.says({ type: "delta", seq: 3, server_time: 0, clock: 800_000 });
  expect(pulse.clock).toBe(900_000);
  pulse.select({ namespace: "iskra", tenant: null, subject: null, verdict: null });
  expect(pulse.clock).toBe(0);
});

test("the seam between what the store had and what came live is fetched again whole, however fast time runs", async () => {
  const asked: URL[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    const address = new URL(url, "http://here");
    asked.push(address);
    const rows = address.pathname.endsWith("/series") && asked.length === 1 ? [[1_000_000, 0.5, 0.5, 0.5, 1]] : [];
    return Promise.resolve(new Response(JSON.stringify({ points: rows, items: [] })));
  });
  const focus = new Focus("demo", "default", "alpha", false, () => {});
  focus.fetchPast(["clarity"], [], 1_000_000, null, () => 0);
  await vi.advanceTimersByTimeAsync(1_000);
  // at a hundredfold pace two minutes pass while the sink brings the rows
  focus.apply({ type: "delta", seq: 1, server_time: 0, points: [["clarity", 1_120_000, 0.5]] } as Delta, null, 0);
  asked.length = 0;
  await vi.advanceTimersByTimeAsync(5_000);
  const again = asked.find((address) => address.searchParams.get("metric") === "clarity");
  expect(Number(again?.searchParams.get("from"))).toBeLessThanOrEqual(1_000_000 - 30_000);
  focus.close();
});
