// The map of the images: a point is an image, its colour is its class; an image that was searched for has a ring.

import { find, make } from "./dom.js";
import { makePicture, nameClass } from "./pictures.js";

const COLOURS = 10; // --class-0 ... of page.css; the largest classes have one, all others, and images without a label, are gray
const MARGIN = 14, REACH = 12; // pixels

export class ImageMap {
    constructor(canvas, choose) {
        this.canvas = canvas;
        this.points = [];
        this.place = null; // of what was searched for
        this.near = new Set(); // the ids of its neighbours
        this.single = null; // the class that is singled out
        new ResizeObserver(() => this.paint()).observe(canvas);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
        canvas.addEventListener("click", (event) => {
            const point = this.hit(event);
            if (point) choose({ id: point.id });
        });
        canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.hover(event));
        canvas.addEventListener("pointerleave", () => { find("hover").hidden = true; });
    }

    show(points) {
        this.points = points;
        const counts = new Map();
        for (const { label } of points) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
        const largest = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one)).slice(0, COLOURS);
        this.colours = new Map(largest.sort(new Intl.Collator("en", { numeric: true }).compare)
            .map((label, number) => [label, number]));
        const axis = (number) => points.map(({ place }) => place[number]);
        const bounds = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
            [Infinity, -Infinity]);
        this.bounds = [bounds(axis(0)), bounds(axis(1))];
        this.writeLegend(counts);
        this.paint();
    }

    mark(place, near) {
        [this.place, this.near] = [place, new Set(near)];
        this.paint();
    }

    writeLegend(counts) {
        const others = counts.size - this.colours.size;
        const entries = [...this.colours].map(([label, number]) => {
            const dot = make("span", { class: "dot", "aria-hidden": "true" });
            dot.style.background = `var(--class-${number})`;
            const button = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.singleOut(label) },
                dot, label);
            button.dataset.label = label;
            return make("li", {}, button);
        });
        if (others > 0) entries.push(make("li", { class: "soft" }, `and ${others} more in gray`));
        if (!counts.size) entries.push(make("li", { class: "soft" }, "no image has a label yet"));
        find("legend").replaceChildren(...entries);
    }

    singleOut(label) {
        this.single = this.single === label ? null : label;
        for (const button of find("legend").querySelectorAll("button")) {
            button.setAttribute("aria-pressed", String(button.dataset.label === this.single));
        }
        this.paint();
    }

    /** Where a place of the map lies on the canvas. */
    locate([x, y]) {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        const share = (value, [low, high]) => (high > low ? (value - low) / (high - low) : 0.5);
        return [MARGIN + share(x, this.bounds[0]) * (width - 2 * MARGIN),
                height - MARGIN - share(y, this.bounds[1]) * (height - 2 * MARGIN)];
    }

    paint() {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        if (!width || !this.points.length) return;
        const scale = devicePixelRatio || 1;
        [this.canvas.width, this.canvas.height] = [width * scale, height * scale];
        const brush = this.canvas.getContext("2d"), style = getComputedStyle(this.canvas);
        const ink = (name) => style.getPropertyValue(name).trim();
        const palette = Array.from({ length: COLOURS }, (_, number) => ink(`--class-${number}`));
        brush.scale(scale, scale);
        const dot = ([x, y], radius) => { brush.beginPath(); brush.arc(x, y, radius, 0, 7); };
        const radius = this.points.length > 20000 ? 1.2 : this.points.length > 4000 ? 1.8 : 2.8;
        const inOrder = [...this.points.filter(({ label }) => !this.colours.has(label)),
            ...this.points.filter(({ label }) => this.colours.has(label))]; // the gray ones lie below
        for (const { label, place } of inOrder) {
            brush.globalAlpha = this.single === null || label === this.single ? 0.75 : 0.08;
            brush.fillStyle = palette[this.colours.get(label)] ?? ink("--faint");
            dot(this.locate(place), radius);
            brush.fill();
        }
        brush.globalAlpha = 1;
        [brush.strokeStyle, brush.lineWidth] = [ink("--ink"), 1.5];
        for (const { id, place } of this.points) {
            if (this.near.has(id)) { dot(this.locate(place), radius + 2.5); brush.stroke(); }
        }
        if (this.place) {
            const middle = this.locate(this.place);
            for (const [colour, line, size] of [[ink("--page"), 6, 9], [ink("--accent"), 3, 9]]) {
                [brush.strokeStyle, brush.lineWidth] = [colour, line];
                dot(middle, size);
                brush.stroke();
            }
        }
    }

    /** The point under the mouse or the finger, if there is any. */
    hit(event) {
        const box = this.canvas.getBoundingClientRect();
        const [x, y] = [event.clientX - box.x, event.clientY - box.y];
        let best = null, least = REACH ** 2;
        for (const point of this.points) {
            const [across, down] = this.locate(point.place), far = (across - x) ** 2 + (down - y) ** 2;
            if (far < least) [best, least] = [point, far];
        }
        return best;
    }

    hover(event) {
        const point = this.hit(event), box = find("hover");
        this.canvas.style.cursor = point ? "pointer" : "";
        box.hidden = !point;
        if (!point) return;
        if (box.dataset.id !== point.id) {
            box.dataset.id = point.id;
            box.replaceChildren(makePicture(point, 96, ""), make("b", {}, nameClass(point.label)));
        }
        const [x, y] = this.locate(point.place);
        box.style.left = `${Math.min(x + 12, this.canvas.clientWidth - 90)}px`;
        box.style.top = `${y + 12}px`;
    }
}
