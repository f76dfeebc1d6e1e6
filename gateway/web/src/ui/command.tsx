/** A person's decision: who, why, and what became of it. One form for all, so that no press decides by accident. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { CommandBody } from "../life";
import { type Given, PATIENCE, targetOf } from "../live/commands";
import { recall, remember } from "../live/memory";
import type { Scene } from "./scene";
import { useSpeech } from "./speech";

const NAME = "iskra.who";

type Verb = CommandBody["command"];

function bodyOf(verb: Verb, target: string, who: string, why: string, { focus }: Scene): CommandBody {
  const common = { tenant: focus.tenant, subject: focus.subject, who, why };
  return verb === "acknowledge_alert" || verb === "resolve_alert"
    ? { command: verb, alert_id: target, ...common }
    : { command: verb, action_id: target, ...common };
}

function Progress({ given, scene }: { given: Given; scene: Scene }) {
  const { t } = useSpeech();
  const { stage, body } = given;
  const said = t.life.command;
  if (stage.kind === "sending") return <p class="note">{said.sending}</p>;
  if (stage.kind === "accepted") {
    return <p class="note">{performance.now() - stage.at > PATIENCE ? said.slow : said.accepted}</p>;
  }
  const text =
    stage.kind === "refused"
      ? said.refused(stage.detail)
      : stage.status === null
        ? said.unreachable
        : stage.status === 503
          ? said.away
          : said.failed(stage.detail);
  return (
    <p class="failure">
      {text}{" "}
      <button type="button" class="quiet" onClick={() => scene.focus.commands.forget(targetOf(body))}>
        {said.close}
      </button>
    </p>
  );
}

function Form({ verb, target, scene, close }: { verb: Verb; target: string; scene: Scene; close: () => void }) {
  const { t } = useSpeech();
  const said = t.life.command;
  const [known, setKnown] = useState(() => recall(NAME) ?? "");
  const [who, setWho] = useState(known);
  const [why, setWhy] = useState("");
  const first = useRef<HTMLInputElement>(null);
  // At once: whoever opened the form by a key types on.
  useLayoutEffect(() => first.current?.focus(), [known]);
  const submit = (event: Event) => {
    event.preventDefault();
    const name = who.trim();
    if (!name) return;
    remember(NAME, name);
    close();
    scene.focus.commands.give(bodyOf(verb, target, name, why.trim(), scene));
  };
  return (
    <form
      class="command"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      {known ? (
        <p class="note">
          {said.as(known)}{" "}
          <button type="button" class="quiet" onClick={() => setKnown("")}>
            {said.other}
          </button>
        </p>
      ) : (
        <label>
          <span>{said.who}</span>
          <input
            ref={first}
            value={who}
            maxLength={128}
            required
            autocomplete="name"
            onInput={(event) => setWho(event.currentTarget.value)}
          />
          <span class="note">{said.whoNote}</span>
        </label>
      )}
      <label>
        <span>{said.why}</span>
        <input
          {...(known ? { ref: first } : {})}
          value={why}
          maxLength={1024}
          onInput={(event) => setWhy(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button type="submit" class="go">
          {said.verb[verb]}
        </button>
        <button type="button" class="plain" onClick={close}>
          {said.cancel}
        </button>
      </div>
    </form>
  );
}

interface Props {
  target: string;
  /** What may be decided, the likeliest first. */
  verbs: [Verb, string][];
  /** Whether somebody waits for it: then the likeliest stands out. */
  pressing: boolean;
  scene: Scene;
}

/** The buttons of an alert or action, and under them the form or what became of it. */
export function Decide({ target, verbs, pressing, scene }: Props) {
  const [open, setOpen] = useState<Verb | null>(null);
  const given = scene.focus.commands.of(target);
  const under = given?.stage.kind === "sending" || given?.stage.kind === "accepted";
  return (
    <div class="decide">
      {!open && !under && (
        <div class="buttons">
          {verbs.map(([verb, label], i) => (
            <button
              key={verb}
              type="button"
              class={i === 0 && pressing ? "go" : "plain"}
              disabled={!scene.live}
              onClick={() => {
                scene.focus.commands.forget(target);
                setOpen(verb);
              }}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      {open && <Form verb={open} target={target} scene={scene} close={() => setOpen(null)} />}
      <div aria-live="polite">{!open && given && <Progress given={given} scene={scene} />}</div>
    </div>
  );
}
