/** The version of this package, in the verifier too because its one file carries no package.json. */
export const version = '0.1.0';
