import { expect, test } from "vitest";
import type { Level, Priority } from "../src/contract";
import { byNeed, inNeed, matches, needOf } from "../src/logic/need";

const status = (level: Level, priority: Priority | null, since: number) => ({ level, priority, since });
const row = (name: string, ...statuses: ReturnType<typeof status>[]) => ({ name, need: needOf(statuses) });

test("a subject is as needy as the worst of its metrics, for as long as the first of these has been", () => {
  const need = needOf([
    status("OK", null, 1),
    status("WARN", "P2", 50),
    status("BLOCK", "P1", 90),
    status("BLOCK", "P1", 70),
    status("UNKNOWN", null, 3),
  ]);
  expect(need).toMatchObject({ level: "BLOCK", priority: "P1", since: 70 });
});

test("those in need stand first: BLOCK by priority, WARN, UNKNOWN, OK, then those that no rule judges", () => {
  const rows = [
    row("ok", status("OK", null, 1)),
    row("nothing"),
    row("unknown", status("UNKNOWN", null, 1)),
    row("p1", status("BLOCK", "P1", 1)),
    row("warn", status("WARN", "P2", 1)),
    row("p0", status("BLOCK", "P0", 9)),
  ];
  expect(rows.sort(byNeed).map((r) => r.name)).toEqual(["p0", "p1", "warn", "unknown", "ok", "nothing"]);
});

test("of equal need the one that has waited longest stands first, and the names settle the rest", () => {
  const rows = [
    row("b", status("WARN", "P2", 20)),
    row("young", status("WARN", "P2", 30)),
    row("a", status("WARN", "P2", 20)),
    row("old", status("WARN", "P2", 10)),
  ];
  expect(rows.sort(byNeed).map((r) => r.name)).toEqual(["old", "a", "b", "young"]);
});

test("among the healthy the one that recovered last stands first", () => {
  const rows = [row("long", status("OK", null, 10)), row("just", status("OK", null, 99))];
  expect(rows.sort(byNeed).map((r) => r.name)).toEqual(["just", "long"]);
});

test("a subject that falls silent while its alert fires stands where the level stood that raised it", () => {
  const crisis = { level: "BLOCK", priority: "P0", since: 50 } as const;
  const silent = { ...status("UNKNOWN", null, 90), previous: crisis };
  const rows = [
    row("warn", status("WARN", "P2", 1)),
    row("unknown", status("UNKNOWN", null, 1)),
    { name: "told", need: needOf([status("UNKNOWN", null, 5)], "P2") },
    { name: "silent", need: needOf([status("OK", null, 2), silent], "P0") },
    row("p0", status("BLOCK", "P0", 60)),
    row("old p0", status("BLOCK", "P0", 40)),
    { name: "spent", need: needOf([status("OK", null, 3)], "P1") },
  ];
  const sorted = ["old p0", "silent", "p0", "spent", "warn", "told", "unknown"];
  expect(rows.sort(byNeed).map((r) => r.name)).toEqual(sorted);
  expect(needOf([silent], "P0")).toMatchObject({ level: "UNKNOWN", alert: "P0", since: 50 });
  // Where the level says as much, it says it alone.
  expect(needOf([status("BLOCK", "P0", 9)], "P1").alert).toBeNull();
  expect(needOf([status("WARN", "P2", 9)], "P2").alert).toBeNull();
});

test("UNKNOWN is need, OK and no status are not", () => {
  expect(inNeed(needOf([status("UNKNOWN", null, 1)]))).toBe(true);
  expect(inNeed(needOf([status("OK", null, 1)]))).toBe(false);
  expect(inNeed(needOf([]))).toBe(false);
});

test("a search finds every word of it in the name, whatever the case and the script", () => {
  expect(matches("default/Команда-Юг", "юг команда")).toBe(true);
  expect(matches("default/alpha", "ALP")).toBe(true);
  expect(matches("default/alpha", "alp beta")).toBe(false);
});
