import { expect, test } from "vitest";
import type { Config } from "../src/contract";
import { speech } from "../src/i18n";
import { reasonOf } from "../src/logic/reasons";

const config = {
  metrics: { pain: { label: "боль" }, trust: { label: "доверие" } },
  living: { voices: { voices: { hundun: { label: "Хундун" }, sam: { label: "Сэм" } } } },
} as unknown as Config;

test("reasons of the engine are said in the language of the page", () => {
  const ru = (text: string) => reasonOf(text, config, speech("ru"));
  const en = (text: string) => reasonOf(text, config, speech("en"));
  const passed =
    "expected pain 0.687 → 0.327, trust 0.799 → 0.859, inside the critical bounds; action 1 of 3 within 1 h";
  expect(ru(passed)).toEqual({
    text: "ожидается боль 0,687 → 0,327, доверие 0,799 → 0,859, в критических границах; действие 1 из 3 за 1 ч",
    lang: undefined,
  });
  expect(en(passed)).toEqual({ text: passed, lang: undefined });
  expect(ru("rule of the pair: hundun, unless chaos > 0.6").text).toBe("правило пары: Хундун, если не chaos > 0,6");
  expect(en("rule of the pair: hundun, unless chaos > 0.6").text).toBe("rule of the pair: Хундун, unless chaos > 0.6");
  expect(ru("priority: sam high, hundun medium").text).toBe("приоритет: Сэм высокий, Хундун средний");
  expect(en("absorbed by 3-14-11-1-673483498f4dab64").text).toBe("absorbed by a higher one");
});

test("a reason that is not known stands as it came, marked as English", () => {
  expect(reasonOf("because of the moon", config, speech("ru"))).toEqual({ text: "because of the moon", lang: "en" });
});
