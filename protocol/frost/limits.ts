/** The bounds of `frost/`, each with its unit and reason. */

/** Slots of 32 bytes: room for the coefficients and shares of a ceremony of 100 members and for some thousand open commitments. */
export const defaultArenaSlots = 4096;

/** Slots of the largest arena, 32 MiB: far from where a 32-bit allocation would wrap around. */
export const maxArenaSlots = 2 ** 20;

/** Bytes of one box's plaintext: a header and more than a hundred shares, one per sharing of every channel. */
export const maxBoxPlaintextBytes = 4096;

/** The largest identifier, and so the largest number of members: fits two bytes on every wire. */
export const maxIdentifier = 65_535;
