import { afterEach, expect, test, vi } from "vitest";
import type { CommandBody, Life } from "../src/life";
import { Commands } from "../src/live/commands";

const take: CommandBody = {
  command: "acknowledge_alert",
  alert_id: "a",
  tenant: "default",
  subject: "alpha",
  who: "Ada",
  why: "",
};

const alert = (id: string, state: string) => ({ id, state, alert_id: "a" });
const lifeOf = (open: object[], refusals: object[] = []) =>
  ({ alerts: { open, closed: [] }, refusals }) as unknown as Life;

let asked: string[] = [];

function answers(status: number, body: object) {
  asked = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    return new Response(JSON.stringify(body), { status });
  });
}

afterEach(() => vi.unstubAllGlobals());

async function given(status: number, body: object) {
  answers(status, body);
  const commands = new Commands("demo", () => {});
  await commands.give(take);
  return commands;
}

test("a command is accepted only once the server has said so, and over when the engine's event names its place", async () => {
  const commands = await given(202, { partition: 3, offset: 17 });
  expect(asked).toEqual(["/api/v1/commands?namespace=demo"]);
  expect(commands.of("a")?.stage.kind).toBe("accepted");
  commands.settle(lifeOf([alert("3-16-0-0-x", "firing")]));
  expect(commands.of("a")?.stage.kind).toBe("accepted");
  commands.settle(lifeOf([alert("3-17-0-0-x", "acknowledged")]));
  expect(commands.of("a")).toBeUndefined();
});

test("what the command caused may come before the server's answer", async () => {
  answers(202, { partition: 3, offset: 17 });
  const commands = new Commands("demo", () => {});
  commands.settle(lifeOf([alert("3-9-0-0-x", "firing")]));
  const sent = commands.give(take);
  commands.settle(lifeOf([alert("3-17-0-0-x", "acknowledged")]));
  await sent;
  expect(commands.of("a")).toBeUndefined();
});

test("an alert that is gone needs no command any more", async () => {
  const commands = await given(202, { partition: 3, offset: 17 });
  commands.settle(lifeOf([]));
  expect(commands.of("a")).toBeUndefined();
});

test("what the engine refuses is told with its reason", async () => {
  const commands = await given(202, { partition: 3, offset: 17 });
  const refusals = [
    { partition: 3, offset: 16, detail: "another", ts: 1 },
    { partition: 3, offset: 17, detail: "acknowledged already, by Bob", ts: 2 },
  ];
  commands.settle(lifeOf([alert("3-9-0-0-x", "firing")], refusals));
  expect(commands.of("a")?.stage).toEqual({ kind: "refused", detail: "acknowledged already, by Bob" });
});

test("what the server does not take changes nothing and says why", async () => {
  const away = await given(503, { status_code: 503, detail: "kafka: away" });
  expect(away.of("a")?.stage).toEqual({ kind: "failed", status: 503, detail: "kafka: away" });
  away.forget("a");
  expect(away.of("a")).toBeUndefined();
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("network");
  });
  const alone = new Commands("demo", () => {});
  await alone.give(take);
  expect(alone.of("a")?.stage).toEqual({ kind: "failed", status: null, detail: "" });
});
