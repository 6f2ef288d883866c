// Label: one image at a time, by keyboard first. What is shown as given is what the server has acknowledged.

import { find, make, tell } from "./dom.js";
import { drawExpected } from "./expected.js";
import { nextToLabel } from "./http.js";
import { assignKeys } from "./keys.js";
import { listUnsent, Outbox } from "./outbox.js";
import { makePicture } from "./pictures.js";

const AHEAD = 20; // images that are fetched ahead, so that they can be labelled while the server is away
const RECENT = 12; // labels that are shown to be taken back
const MOST = 1000; // images that the server lists
const POLL = 1000; // milliseconds between two looks at an accuracy that is being computed

const state = { queue: [], skipped: new Set(), done: [], classes: [], added: [], given: 0, batch: 1, asking: false, stuck: false, opened: false };
const ready = new Map(); // id -> the picture of an image that comes soon
let outbox, askedAt = null; // askedAt: how many images were left when more were asked for

export function startLabel(tellAway) {
    outbox = new Outbox({ changed: showUnsent, acknowledged, refused, away: tellAway });
    find("undo").onclick = () => undo(state.done.at(-1));
    find("skip").onclick = skip;
    find("new").onclick = openNew;
    find("new-leave").onclick = closeNew;
    find("new-form").onsubmit = (event) => { event.preventDefault(); giveNew(); };
    find("who-form").onsubmit = (event) => {
        event.preventDefault();
        if (!find("who").value.trim()) return;
        localStorage.setItem("who", find("who").value.trim());
        find("who").blur(); // a browser takes the focus from a hidden field only later, and keys typed into it label nothing
        openLabel();
    };
    find("other").onclick = () => { localStorage.removeItem("who"); openLabel(); };
    document.addEventListener("keydown", pressed);
    outbox.send();
}

/** Show the part of the page: who labels is asked once. */
export function openLabel() {
    const who = localStorage.getItem("who");
    [find("who-form").hidden, find("labelling").hidden] = [Boolean(who), !who];
    if (!who) return find("who").focus();
    find("by").textContent = who;
    showUnsent();
    return refill();
}

/** Fetch the next images, and how far it is. */
async function refill() {
    if (state.asking) return;
    state.asking = true;
    try {
        const before = listWithheld();
        const more = state.skipped.size + listUnsent().length;
        const answer = await nextToLabel(Math.min(AHEAD + more, MOST));
        show(answer, new Set([...before, ...listWithheld()])); // what was given meanwhile, the answer does not know of
    } catch (fault) {
        state.stuck ||= !state.queue.length;
        if (state.stuck) tell(find("label-fault"), `${fault.message.replace(/[^.!?]$/, "$&.")} Trying again ...`);
        setTimeout(refill, 3 * POLL);
    }
    state.asking = false;
}

/** The images that are not shown again: skipped ones, those labelled here, and those whose label is on its way. */
const listWithheld = () => new Set([...state.skipped, ...state.done.map(({ image }) => image.id),
    ...listUnsent().map(({ id }) => id)]);

function show(answer, withheld) {
    if (state.stuck) tell(find("label-fault"), ""); // but why a label was refused stands until the next is given
    state.stuck = false;
    state.added = state.added.filter((name) => !answer.classes.includes(name));
    [state.classes, state.given, state.batch] = [[...answer.classes, ...state.added], answer.given, answer.batch];
    const shown = state.queue[0], left = answer.images.filter(({ id }) => !withheld.has(id) && id !== shown?.id);
    state.queue = [...(shown ? [shown] : []), ...left];
    tell(find("order"), answer.note);
    if (!state.opened) recall(answer.recent);
    if (state.queue.length > AHEAD / 2) askedAt = null;
    drawExpected(find("expected"), answer.expected, answer.judged_on);
    if (answer.computing) setTimeout(refill, POLL);
    showChoices();
    showImage();
    showProgress();
}

/** Show what was given before this visit, so that it can still be taken back. */
function recall(recent) {
    const unsent = listUnsent(), left = recent.filter(({ id }) => !unsent.some((deed) => deed.id === id));
    const deeds = [...left, ...unsent.filter(({ label }) => label !== null)];
    const known = new Set(state.done.map(({ image }) => image.id));
    state.done.unshift(...deeds.filter(({ id }) => !known.has(id))
        .map(({ id, label, key }) => ({ image: { id, label: null }, label, key, sure: !key })));
    state.opened = true;
}

function showImage() {
    const [image, ...later] = state.queue;
    for (const next of state.queue.slice(0, AHEAD)) {
        if (!ready.has(next.id)) ready.set(next.id, makePicture(next, 256, "the image to label"));
    }
    for (const id of ready.keys()) if (!state.queue.some((one) => one.id === id)) ready.delete(id);
    const box = find("shown");
    if (box.dataset.id !== image?.id || !image) {
        box.dataset.id = image?.id ?? "";
        const end = state.skipped.size ? "Only images that you skipped are left; " : "No image is left to label.";
        box.replaceChildren(...(image ? [ready.get(image.id), make("small", {}, image.label ? `${image.id}, so far “${image.label}”` : image.id)]
            : [make("p", { class: "absent" }, end, state.skipped.size
                ? make("button", { type: "button", onclick: unskip }, "show them again") : "")]));
    }
    find("skip").disabled = !image;
    find("undo").disabled = !state.done.length;
    if (later.length < AHEAD / 2 && image) refillOnce(later.length);
}

function refillOnce(left) {
    if (askedAt === left) return;
    askedAt = left;
    refill();
}

function showChoices() {
    const keys = assignKeys(state.classes);
    const known = [...find("choices").children].map((button) => button.dataset.name);
    if (known.length === state.classes.length && known.every((name, number) => name === state.classes[number])) return;
    find("choices").replaceChildren(...state.classes.map((name) => {
        const key = keys.get(name);
        const button = make("button", { type: "button", onclick: (event) => {
            if (event.detail) button.blur(); // after the mouse, the space bar is to skip, not to press it again
            give(name);
        } },
            key ? make("kbd", {}, key) : null, make("span", {}, name));
        button.dataset.name = name;
        if (key) button.setAttribute("aria-keyshortcuts", key);
        return button;
    }));
    find("names").replaceChildren(...state.classes.map((name) => make("option", { value: name })));
}

function showUnsent() {
    const count = listUnsent().length;
    find("unsent").textContent = count ? `, ${count} on the way` : "";
    showProgress();
}

function showProgress() {
    find("given").textContent = state.given;
    const within = state.given % state.batch;
    [find("batch").max, find("batch").value] = [state.batch, within];
    const left = state.batch - within;
    find("batch-says").textContent = `${left} more until the accuracy is computed anew`;
    find("recent-title").hidden = !state.done.length;
    find("recent").replaceChildren(...state.done.slice(-RECENT).reverse().map((deed) => make("button", {
        type: "button", class: deed.sure ? "near" : "near waiting", title: deed.image.id, onclick: () => undo(deed),
        "aria-label": `${deed.label}${deed.sure ? "" : ", on the way"}: take back`,
    }, (deed.picture ??= makePicture(deed.image, 256, "")), make("b", {}, deed.label), deed.sure ? null : make("small", {}, "on the way"))));
}

function give(name) {
    const image = state.queue.shift();
    if (!image) return;
    const deed = { image, label: name, sure: false, picture: ready.get(image.id) };
    state.done.push(deed);
    ready.delete(image.id);
    const old = state.done.at(-RECENT - 1);
    if (old) old.picture = null; // or thousands of them would fill the memory
    tell(find("label-fault"), "");
    find("label-says").textContent = `given: ${name}`;
    deed.key = outbox.put(image.id, name, localStorage.getItem("who"));
    showImage();
}

function undo(deed) {
    if (!deed) return;
    state.done = state.done.filter((one) => one !== deed);
    state.queue = [deed.image, ...state.queue.filter(({ id }) => id !== deed.image.id)];
    if (deed.picture) ready.set(deed.image.id, deed.picture); // it need not be loaded again from a server that may be away
    find("label-says").textContent = `taken back: ${deed.label}`;
    outbox.put(deed.image.id, null, localStorage.getItem("who"));
    showImage();
}

function skip() {
    const image = state.queue.shift();
    if (!image) return;
    state.skipped.add(image.id);
    showImage();
}

function unskip() {
    state.skipped.clear();
    refill();
}

function openNew() {
    find("new-form").hidden = false;
    find("new-name").focus();
}

function closeNew() {
    [find("new-form").hidden, find("new-name").value] = [true, ""];
    document.activeElement?.blur();
}

function giveNew() {
    const name = find("new-name").value.trim().normalize(); // as the server writes it
    if (!name) return;
    if (!state.classes.includes(name)) {
        state.added.push(name);
        state.classes.push(name);
        showChoices();
    }
    closeNew();
    give(name);
}

/** The server has written it down: now it counts. */
function acknowledged(deed, answer) {
    const before = Math.floor(state.given / state.batch);
    state.given = answer.given;
    for (const one of state.done) if (one.key === deed.key) one.sure = true;
    if (Math.floor(state.given / state.batch) !== before) refill();
}

/** The server will never take it: say why, and show the image again, after the one for which a key may be on its way. */
function refused(deed, line) {
    const one = state.done.find(({ key }) => key === deed.key);
    state.done = state.done.filter((other) => other !== one);
    if (one) state.queue.splice(1, 0, one.image);
    tell(find("label-fault"), line);
    showImage();
}

function pressed(event) {
    if (find("labelling").hidden || find("label").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
        if (event.key === "Escape") closeNew();
        return;
    }
    const own = { Backspace: () => undo(state.done.at(-1)), " ": skip, "+": openNew };
    const chosen = [...assignKeys(state.classes)].find(([, key]) => key === event.key.toLowerCase());
    if (event.key === " " && event.target.matches("button, a")) return; // it presses what has the focus
    const deed = own[event.key] ?? (chosen && !event.repeat && (() => give(chosen[0])));
    if (!deed) return;
    event.preventDefault();
    deed();
}
