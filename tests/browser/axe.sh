#!/usr/bin/env bash
# Puts axe-core into target/axe-core, where the test `accessibility` looks for it. It is not in the repository, because
# it has 600 kB. A new version may find more, so the version is fixed here.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=4.14.1
sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

folder=target/axe-core
grep -qs "\"version\": \"$version\"" "$folder/package.json" && exit
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack --silent --pack-destination "$scratch" "axe-core@$version" >/dev/null
echo "$sha256  $scratch/axe-core-$version.tgz" | sha256sum --check --quiet
rm -rf "$folder"
mkdir -p "$folder"
tar -xzf "$scratch/axe-core-$version.tgz" -C "$folder" --strip-components 1 package/package.json package/axe.min.js
