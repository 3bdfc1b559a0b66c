; Inno Setup 6. Not tried here: see README.md beside it.
#ifndef Version
  #error Say which version: iscc /DVersion=0.1.0 cardiofusion.iss
#endif

[Setup]
AppId=CardioFusion
AppName=CardioFusion
AppVersion={#Version}
AppPublisher=The CardioFusion developers
DefaultDirName={autopf}\CardioFusion
DefaultGroupName=CardioFusion
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
LicenseFile=..\..\LICENSE
InfoBeforeFile=notice.txt
SourceDir=.
OutputDir=..\..\dist
OutputBaseFilename=CardioFusion-{#Version}-setup
Compression=lzma2
SolidCompression=yes
UninstallDisplayIcon={app}\cardiofusion.exe

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "ar"; MessagesFile: "compiler:Languages\Arabic.isl"
Name: "es"; MessagesFile: "compiler:Languages\Spanish.isl"
Name: "fr"; MessagesFile: "compiler:Languages\French.isl"
Name: "pt"; MessagesFile: "compiler:Languages\Portuguese.isl"

[Files]
Source: "..\..\dist\cardiofusion\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs
Source: "..\..\LICENSE"; DestDir: "{app}"; Flags: ignoreversion

[Icons]
Name: "{group}\CardioFusion"; Filename: "{app}\cardiofusion.exe"; Parameters: "serve"
Name: "{userdesktop}\CardioFusion"; Filename: "{app}\cardiofusion.exe"; Parameters: "serve"

[Run]
Filename: "{app}\cardiofusion.exe"; Parameters: "serve"; Description: "CardioFusion"; Flags: postinstall nowait skipifsilent

; There is no [UninstallDelete]: patients' data in {localappdata}\CardioFusion stay.
