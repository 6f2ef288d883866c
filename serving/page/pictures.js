// How images are shown and how they come in: dropped, pasted or chosen.

import { make, percent } from "./dom.js";
import { thumbnail } from "./http.js";

const addresses = new WeakMap(); // file -> its address in this page

/** Make the picture of { id } or { file }. What the browser cannot show (TIFF) has its name instead. */
export function makePicture({ id, file }, side, alt) {
    if (!file) return make("img", { src: thumbnail(id, side), alt, width: side, height: side, draggable: false });
    if (!addresses.has(file)) addresses.set(file, URL.createObjectURL(file));
    const image = make("img", { src: addresses.get(file), alt });
    image.addEventListener("error", () => image.replaceWith(make("span", { class: "blind" }, file.name)));
    return image;
}

export const nameClass = (label) => label ?? "no label";

/** Make the button of a neighbour: its picture, its class, how similar it is. */
export function makeNeighbour(near, choose, side = 96) {
    const says = near.similarity === undefined ? nameClass(near.label)
        : `${nameClass(near.label)}, similarity ${near.similarity.toFixed(3)}`;
    return make("button", { type: "button", class: "near", title: near.id, onclick: () => choose({ id: near.id }),
                            "aria-label": `${says}: search with this image` },
        makePicture(near, side, ""),
        make("b", {}, nameClass(near.label)),
        near.similarity === undefined ? null : make("small", {}, near.similarity.toFixed(3)));
}

/** Make one bar per class, the most probable ones first. */
export function makeBars(classes, most) {
    return make("dl", { class: "bars" }, ...classes.slice(0, most).flatMap(({ name, probability }) => {
        const bar = make("span", { class: "bar" });
        bar.style.width = `${100 * probability}%`;
        return [make("dt", {}, name), make("dd", {}, make("span", { class: "rail" }, bar),
            make("small", {}, percent(probability)))];
    }));
}

/** Hand over the images that a person chooses, drops anywhere or pastes, while the part of the page is shown. */
export function receiveImages(section, input, receive) {
    const take = (files) => {
        const images = [...files].filter((file) => file.type.startsWith("image/") || /\.tiff?$/i.test(file.name));
        if (images.length || files.length) receive(images.length ? images : [...files]); // the server says what is wrong
    };
    input.addEventListener("change", () => { take(input.files); input.value = ""; });
    document.addEventListener("paste", (event) => {
        if (!section.hidden && event.clipboardData.files.length) take(event.clipboardData.files);
    });
    document.addEventListener("dragover", (event) => {
        if (section.hidden) return;
        event.preventDefault();
        section.classList.add("dragged");
    });
    document.addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) section.classList.remove("dragged");
    });
    document.addEventListener("drop", (event) => {
        section.classList.remove("dragged");
        if (section.hidden) return;
        event.preventDefault();
        take(event.dataTransfer.files);
    });
}
