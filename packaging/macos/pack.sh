#!/bin/sh
# An app that PyInstaller made, as a disk image. Not tried here: see README.md beside it.
set -eu
app=$1 version=$2
contents=$app/Contents

mv "$contents/MacOS/cardiofusion" "$contents/MacOS/cardiofusion-program"
cat >"$contents/MacOS/cardiofusion" <<'START'
#!/bin/sh
exec "$(dirname "$0")/cardiofusion-program" serve
START
chmod 755 "$contents/MacOS/cardiofusion"
/usr/libexec/PlistBuddy -c "Set :CFBundleShortVersionString $version" "$contents/Info.plist"

if [ -n "${IDENTITY:-}" ]; then
    codesign --force --deep --options runtime --sign "$IDENTITY" "$app"
fi
hdiutil create -volname CardioFusion -srcfolder "$app" -format UDZO -ov "$(dirname "$app")/CardioFusion-$version.dmg"
