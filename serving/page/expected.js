// The accuracy expected after each batch of labels, with its interval: a line in a band.

import { draw, make, percent } from "./dom.js";

const WIDE = 320, HIGH = 150, LEFT = 38, BOTTOM = 22, TOP = 8, RIGHT = 10;

export function drawExpected(box, expected, judgedOn) {
    if (!expected.length) {
        box.replaceChildren(make("p", { class: "note" }, judgedOn));
        return;
    }
    const last = expected.at(-1), most = Math.max(1, last.labels);
    const lowest = Math.floor(10 * Math.min(...expected.map(({ low }) => low))) / 10;
    const x = (labels) => LEFT + (labels / most) * (WIDE - LEFT - RIGHT);
    const y = (share) => HIGH - BOTTOM - ((share - lowest) / (1 - lowest)) * (HIGH - BOTTOM - TOP);
    const at = (share) => (one) => `${x(one.labels)},${y(one[share])}`;
    const text = (across, down, anchor, words) => draw("text", { x: across, y: down, "text-anchor": anchor }, words);
    const rule = (share) => draw("line", { x1: LEFT, x2: WIDE - RIGHT, y1: y(share), y2: y(share), class: "rule" });
    const middle = (1 + lowest) / 2;
    const says = `${percent(last.accuracy)} expected with ${last.labels} labels given here, `
        + `${percent(last.low)} to ${percent(last.high)}`;
    box.replaceChildren(
        make("p", {}, make("b", {}, percent(last.accuracy)), ` expected after ${last.labels} labels`,
            make("small", {}, `between ${percent(last.low)} and ${percent(last.high)}`)),
        draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": says },
            ...[lowest, middle, 1].flatMap((share) => [rule(share), text(LEFT - 5, y(share) + 4, "end", percent(share, 0))]),
            draw("polygon", { class: "band", points: [...expected.map(at("low")), ...expected.map(at("high")).reverse()].join(" ") }),
            ...expected.map((one) => draw("line", { class: "reach", x1: x(one.labels), x2: x(one.labels), y1: y(one.low), y2: y(one.high) })),
            draw("polyline", { class: "line", points: expected.map(at("accuracy")).join(" ") }),
            ...expected.map((one) => draw("circle", { class: "mark", cx: x(one.labels), cy: y(one.accuracy), r: 3 })),
            text(LEFT, HIGH - 5, "middle", "0"), text(WIDE - RIGHT, HIGH - 5, "end", `${most} labels`)),
        make("p", { class: "note" }, judgedOn));
}
