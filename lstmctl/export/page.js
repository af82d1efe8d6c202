// Starts the page: reads the networks that it contains, and shows the view for their task.

import { Model, decodeBase64 } from "./runtime.js";
import { ForecastView } from "./forecast_view.js";
import { TextView } from "./text_view.js";

const VIEWS = { "writes texts": TextView, "labels texts": TextView, forecasts: ForecastView };

const content = JSON.parse(document.getElementById("data").textContent);
const runs = content.runs.map(({ name, description, ...rest }, place) => {
  const weights = decodeBase64(document.getElementById(`weights-${place}`).textContent);
  return { ...rest, name, colour: place % 7, model: new Model(description, weights) };
});
const view = new VIEWS[content.kind](document.getElementById("page"), { ...content, runs });
window.lstmctl = { models: runs.map(({ model }) => model), view }; // to play with in the browser's console
