#!/bin/sh
':' /*
# One file, read by two programs. sh hands the calls that certainly sign nothing on to the real ssh-keygen at once, in 2 ms:
# ssh-keygen takes over this very process. Every other call is judged by JavaScript, which begins below, where sh never comes.
# A call is certain when it begins with one of these operations and no other argument could name a second one.
tool=${FROSTMARK_SSH_KEYGEN:-ssh-keygen}
operations=
for argument in "$@"; do
  case $argument in
  -*Y*) operations="$operations." ;;
  esac
done
certain=
case "$1 $2" in
'-Y verify' | '-Y find-principals' | '-Y match-principals' | '-Y check-novalidate') certain=$operations ;;
esac
# What is not found, or is ourselves again, JavaScript tells in words.
if [ "$certain" = . ] && [ "$FROSTMARK_HANDED_ON" != ssh-keygen ] && command -v "$tool" >/dev/null 2>&1; then
  FROSTMARK_HANDED_ON=ssh-keygen
  export FROSTMARK_HANDED_ON
  exec "$tool" "$@"
fi
exec node "$0" "$@"
*/;
