// The page: three parts, one of which is shown, and what the server says that it serves.

import { startClassify } from "./classify.js";
import { find, tell, wait } from "./dom.js";
import { Away, readMap, readVersion } from "./http.js";
import { openLabel, startLabel } from "./label.js";
import { searchWith, showImages, startSearch } from "./search.js";

const PARTS = ["search", "classify", "label"];

function showPart(event) {
    const asked = location.hash.slice(1), part = PARTS.includes(asked) ? asked : PARTS[0];
    if (asked === "content" && event) return; // the link that skips the navigation
    for (const name of PARTS) find(name).hidden = name !== part;
    for (const link of document.querySelectorAll("nav a")) {
        if (link.hash === `#${part}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
    if (event) find(`${part}-title`).focus({ preventScroll: true });
    if (part === "label") openLabel();
}

async function start() {
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
    const classifyImage = startClassify(searchWith);
    startSearch(classifyImage);
    startLabel((line) => tell(find("away"), line && `${line} What you do is kept, and sent when it is back.`));
    addEventListener("hashchange", showPart);
    showPart();
    const version = await insist(readVersion);
    tell(find("served"), [`${version.images.toLocaleString("en")} images`, version.method, version.version]
        .filter(Boolean).join(" · "));
    tell(find("classify-fault"), version.lacks.classifier);
    tell(find("search-fault"), version.lacks.index);
    if (!version.lacks.index) showImages((await insist(readMap)).points);
    document.documentElement.dataset.ready = "yes";
}

/** Ask until the server answers. */
async function insist(ask) {
    for (;;) {
        try {
            const answer = await ask();
            tell(find("search-fault"), "");
            return answer;
        } catch (fault) {
            tell(find("search-fault"), fault.message);
            if (!(fault instanceof Away)) throw fault;
            await wait(2000);
        }
    }
}

start();
