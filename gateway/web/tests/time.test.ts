import { expect, test } from "vitest";
import { en } from "../src/i18n/en";
import { Format } from "../src/i18n/format";
import { ru } from "../src/i18n/ru";
import { backoff } from "../src/live/backoff";
import { SPAN, spanFor, ticks } from "../src/logic/axis";
import { Ages, isWallClock, logTime, subjectTime } from "../src/logic/clock";

const f = new Format(en, "UTC");
const g = new Format(ru, "UTC");

test.each([
  [0, "0 s"],
  [999, "0 s"],
  [36_000, "36 s"],
  [60_000, "1 min"],
  [312_000, "5 min 12 s"],
  [3_600_000, "1 h"],
  [7_500_000, "2 h 5 min"],
  [7_205_000, "2 h"],
  [273_600_000, "3 d 4 h"],
  [-5, "0 s"],
])("an age of %i ms reads %s", (ms, text) => {
  expect(f.age(ms)).toBe(text);
});

test("ages, numbers and latencies are told in the language of the page", () => {
  expect(g.age(312_000)).toBe("5 мин 12 с");
  expect(g.value(0.241)).toBe("0,241");
  expect(f.value(0.2414)).toBe("0.241");
  expect(f.value(null)).toBe("–");
  expect(f.latency(38.4)).toBe("38 ms");
  expect(f.latency(1240)).toBe("1.2 s");
  expect(f.count(4812)).toBe("4,812");
});

test("an offset is grouped by threes that do not break", () => {
  expect(f.offset(88_120)).toBe("88\u202f120");
  expect(f.offset(7)).toBe("7");
});

test("a time of another day tells its day", () => {
  const noon = Date.UTC(2025, 10, 6, 12, 0, 7);
  expect(f.moment(noon, noon + 3_600_000)).toBe("12:00:07");
  expect(f.moment(noon, noon + 86_400_000)).toBe("6 Nov 2025, 12:00:07");
  for (const never of [2 ** 63, -(2 ** 63), Number.NaN]) {
    expect([f.clock(never), f.hourMinute(never), f.date(never), f.moment(never, noon)]).toEqual(["–", "–", "–", "–"]);
  }
});

test("attempts to connect again come quickly at first, never more rarely than every six seconds, and spread", () => {
  const waits = Array.from({ length: 12 }, (_, attempt) => backoff(attempt, 0.5));
  expect(waits.slice(0, 6)).toEqual([250, 500, 1000, 2000, 4000, 5000]);
  expect(waits.at(-1)).toBe(5000);
  expect(backoff(0, 0)).toBe(188);
  expect(backoff(50, 0.999)).toBeLessThanOrEqual(6250);
});

test("subject time is that of the newest point; a silence moves it on only where points come fresh and the link holds", () => {
  const newest = 1_000_000;
  expect(subjectTime(newest, 40, newest + 1_000, false)).toBe(newest);
  expect(subjectTime(newest, 40, newest + 10_040, false)).toBe(newest + 10_000);
  expect(subjectTime(newest, 40, null, true)).toBe(newest);
  // Virtual times, of the past and of the future, stand still between points.
  expect(subjectTime(newest, 86_400_000, newest + 86_500_000, false)).toBe(newest);
  expect(subjectTime(newest, -600_000, newest, false)).toBe(newest);
  // A subject of the live namespace that was silent before the page looked: it is now for it, too.
  expect(subjectTime(newest, 200_000, newest + 200_000, true)).toBe(newest + 200_000);
});

test("what people wait for is counted on while a subject is silent, in virtual time by the others of its namespace", () => {
  expect(logTime(5_000_000, 4_000_000, 4_100_000, true)).toBe(5_000_000);
  expect(logTime(0, 4_000_000, 4_100_000, true)).toBe(4_000_000);
  expect(logTime(5_000_000, 1_000, 361_000, false)).toBe(361_000);
  // The windows of the others come a little after its own points.
  expect(logTime(5_000_000, 365_000, 361_000, false)).toBe(365_000);
});

test("points of another day or of the future are no measure of latency", () => {
  expect(isWallClock(40)).toBe(true);
  expect(isWallClock(-60_000)).toBe(false);
  expect(isWallClock(30 * 86_400_000)).toBe(false);
});

test("the latency told is the middle one of the last ages, so that one straggler does not show", () => {
  const ages = new Ages();
  expect(ages.median).toBeNull();
  for (const age of [30, 9_000, 40, 35, 38]) ages.add(age);
  expect(ages.median).toBe(38);
});

test("the axis is marked at whole even minutes, none at its very edges", () => {
  const end = 1_762_435_107;
  const marks = ticks(end);
  expect(marks.length).toBeGreaterThanOrEqual(4);
  for (const { at, ts } of marks) {
    expect(ts % 120_000).toBe(0);
    expect(at).toBeCloseTo((ts / 1000 - (end - SPAN)) / SPAN, 9);
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(0.78);
  }
});

test("a young subject's axis is short and grows with it, up to twelve minutes", () => {
  expect([0, 110, 111, 300, 500, 9_000].map(spanFor)).toEqual([120, 120, 240, 480, 720, 720]);
  const short = ticks(1_762_435_107, 120);
  expect(short.map(({ ts }) => ts % 30_000)).toEqual(short.map(() => 0));
  expect(short.length).toBeGreaterThanOrEqual(3);
});
