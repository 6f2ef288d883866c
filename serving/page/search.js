// Search: the nearest images of one, with their similarity, and where it lies in the map.

import { find, make, tell } from "./dom.js";
import { search } from "./http.js";
import { ImageMap } from "./map.js";
import { makeNeighbour, makePicture, nameClass, receiveImages } from "./pictures.js";

const BEGINNERS = 12; // images that are shown before the first search
let running = new AbortController();
let map, classifyImage;

/** Listen to what is dropped, pasted, chosen or clicked. */
export function startSearch(classify) {
    classifyImage = classify;
    map = new ImageMap(find("map"), searchWith);
    receiveImages(find("search"), find("search-file"), ([file]) => searchWith({ file }));
}

/** Show the map, and some images to begin with. */
export function showImages(points) {
    map.show(points);
    const step = Math.max(1, Math.floor(points.length / BEGINNERS));
    const some = points.filter((_, number) => number % step === 0).slice(0, BEGINNERS);
    find("search-near").replaceChildren(...some.map((point) => makeNeighbour(point, searchWith)));
}

/** Search with { id } or { file } and show what was found; a search that is overtaken by a newer one is given up. */
export async function searchWith(image) {
    running.abort();
    const mine = (running = new AbortController());
    find("search").setAttribute("aria-busy", "true");
    try {
        const { place, neighbours } = await search(image, mine.signal);
        tell(find("search-fault"), "");
        showFound(image, place, neighbours);
    } catch (fault) {
        if (mine.signal.aborted) return;
        tell(find("search-fault"), `${image.file ? `${image.file.name}: ` : ""}${fault.message}`);
    }
    find("search").removeAttribute("aria-busy");
}

function showFound(image, place, neighbours) {
    const verdict = describe(neighbours);
    find("search-query").replaceChildren(make("div", { class: "query" },
        makePicture(image, 128, "the image that was searched with"),
        make("div", {},
            make("p", { class: "verdict" }, verdict),
            make("p", { class: "note" }, image.file ? image.file.name : image.id),
            make("button", { type: "button", onclick: () => classifyImage(image) }, "Classify it"))));
    find("near-title").textContent = "Nearest images, and their similarity";
    const buttons = neighbours.map((near) => makeNeighbour(near, searchWith));
    const had = find("search-near").contains(document.activeElement);
    find("search-near").replaceChildren(...buttons);
    if (had) buttons[0]?.focus(); // who walks by keyboard goes on from the nearest
    find("search-says").textContent = verdict;
    find("map-says").textContent = "The ring is where the image lies; small rings are its nearest.";
    map.mark(place, neighbours.map(({ id }) => id));
}

/** Say which class most of the nearest images have. */
function describe(neighbours) {
    const counts = new Map();
    for (const { label } of neighbours) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
    if (!neighbours.length) return "There is no image to compare with.";
    if (!counts.size) return `None of the ${neighbours.length} nearest images has a label.`;
    const [label, count] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best));
    const labelled = [...counts.values()].reduce((sum, one) => sum + one), others = neighbours.length - labelled;
    const [which, rest] = others ? ["nearest with a label", `; ${others} more have none`] : ["nearest", ""];
    return `${count} of the ${labelled} ${which} ${count === 1 ? "is" : "are"} “${nameClass(label)}”${rest}.`;
}
