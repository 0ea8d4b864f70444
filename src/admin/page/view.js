// Fetches what the gateway says of itself (/page.json) and what it counts (/metrics), every two
// seconds while somebody looks, and shows it.
import { showAnswers } from "./answers.js";
import { makeCharts } from "./charts.js";
import { showCounts, showDeliveries, showState, showStores, state, trouble } from "./live.js";
import { History, parseMetrics, sampleOf } from "./metrics.js";
import { $, text } from "./table.js";

const pollEvery = 2000; // ms
const giveUpAfter = 4000; // ms, a request
const shownFor = 300; // s, of the live charts
const tokenKey = "attentive-gateway-token";

const history = new History(shownFor);
let token = sessionStorage.getItem(tokenKey) || "";
let paused = false;
let failingSince = null;
let timer = 0;

class Unauthorized extends Error {}

async function get(path) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  const signal = AbortSignal.timeout(giveUpAfter);
  const answer = await fetch(path, { headers, cache: "no-store", signal });
  if (answer.status === 401) throw new Unauthorized();
  if (!answer.ok) throw new Error("it answers " + answer.status);
  return answer;
}

function show(page, metrics) {
  $("content").hidden = false; // before the charts are drawn: a hidden one has no size
  $("token-form").hidden = true;
  failingSince = null;
  history.add(sampleOf(parseMetrics(metrics), performance.now() / 1000));
  showState(page);
  showDeliveries(page);
  showAnswers(page);
  showStores(page, page.answers.lag);
  showCounts(history, pollEvery);
  document.body.dataset.shown = page.now;
}

function askForToken() {
  state("warn", "! Token needed");
  trouble("warn", []);
  $("content").hidden = true;
  text("token-message", token
    ? "This token is not the gateway's: compare it with what [admin] token in its configuration " +
      "names."
    : "This gateway shows its numbers to whoever has the token that [admin] in its configuration " +
      "names.");
  sessionStorage.removeItem(tokenKey);
  token = "";
  $("token-form").hidden = false;
  $("token").focus();
}

function noAnswer(why) {
  failingSince = failingSince || new Date();
  state("bad", "✕ No answer");
  trouble("bad", ["The gateway has not answered since " + failingSince.toLocaleTimeString() +
    " (" + why + "): is it running, and the way to it open? What is shown below is old."]);
}

async function tick() {
  clearTimeout(timer);
  if (paused || document.hidden) return;
  try {
    const [page, metrics] = await Promise.all([
      get("/page.json").then((a) => a.json()), get("/metrics").then((a) => a.text())]);
    show(page, metrics);
  } catch (e) {
    if (e instanceof Unauthorized) return askForToken();
    noAnswer(e.message);
  }
  clearTimeout(timer);
  timer = setTimeout(tick, pollEvery);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  text("pause", paused ? "Resume" : "Pause");
  tick();
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("token").value = "";
  sessionStorage.setItem(tokenKey, token);
  tick();
});
document.addEventListener("visibilitychange", tick);
makeCharts(shownFor);
tick();
