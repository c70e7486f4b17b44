/** Ids that tie labels to controls. Those of the library repeat where parts of a page come and go. */
import { useState } from 'preact/hooks';

let made = 0;

export const useUniqueId = (): string => useState(() => `id-${++made}`)[0];
