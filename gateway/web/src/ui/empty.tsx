import { Copy } from "./bits";
import { Spark } from "./glyph";
import { useSpeech } from "./speech";

/** The command that publishes a first point, with the present moment in it. */
export function firstPoint(namespace: string | null, first: boolean, ts: number): string {
  const point = JSON.stringify({ subject: "alpha", metric: "clarity", value: 0.81, ts });
  return `echo '${point}' | iskra publish -${namespace && !first ? ` --namespace ${namespace}` : ""}`;
}

export function Empty({ namespace, first }: { namespace: string | null; first: boolean }) {
  const { t } = useSpeech();
  const command = () => firstPoint(namespace, first, Date.now());
  return (
    <section class="empty" aria-live="polite">
      <Spark size={44} />
      <h1>{t.empty.title}</h1>
      <div class="command">
        <code class="mono">{command()}</code>
        <Copy text={command} label={t.empty.copy} />
      </div>
      <p class="mute">{t.empty.after}</p>
    </section>
  );
}
