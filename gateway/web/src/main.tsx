import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/list.css";
import "./styles/subject.css";
import "./styles/living.css";
import "./styles/narrow.css";
import { render } from "preact";
import { App } from "./app";
import { Pulse } from "./live/pulse";
import { selectionOf } from "./route";

const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
const pulse = new Pulse(url, selectionOf(location.search));
const root = document.getElementById("app");
if (root) render(<App pulse={pulse} />, root);
pulse.link.open();

// `?measure`: marks when points are on the screen, for the measurement of how long they take.
if (new URLSearchParams(location.search).has("measure")) {
  pulse.onPoints = (ts) =>
    requestAnimationFrame(() => {
      // A message posted in a frame's callback comes right after that frame was painted.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => performance.mark("points-painted", { detail: { ts, at: Date.now() } });
      port2.postMessage(null);
    });
}
