# What Bulkhead does on a Windows device, one step to a call: STEP key=value ...
#
# The last line of a step's output is one line of JSON, ASCII only: {"bulkhead":1,"step":...}. With "error" the step
# could not be done, and says why in one word and a text. The steps and their words are those of bulkhead-linux.sh.
#
# Windows PowerShell 5.1. This script was never seen to run on a real device: see docs/live-response.md.

$ErrorActionPreference = 'Stop'
$Version = 1
$Mebibyte = 1048576
$Words = @(($args -join ' ').Split(@(' '), [System.StringSplitOptions]::RemoveEmptyEntries))
$Step = 'none'
if ($Words.Count -gt 0) {
    $Step = $Words[0]
}
$Given = @{ dir = ''; id = ''; how = ''; pids = ''; tool = ''; sha256 = ''; compress = '0'; part = '536870912'; reserve = '0'
    expire = '172800'; offset = '0'; length = '0'; count = '1'; days = '7' }
foreach ($word in $Words) {
    $at = $word.IndexOf('=')
    if ($at -gt 0) {
        $Given[$word.Substring(0, $at)] = $word.Substring($at + 1)
    }
}

function Write-Answer([System.Collections.IDictionary]$Members) {
    $all = [ordered]@{ bulkhead = $Version; step = $Step; utc = [DateTime]::UtcNow.ToString('o') }
    foreach ($name in $Members.Keys) {
        $all[$name] = $Members[$name]
    }
    $json = ConvertTo-Json -InputObject $all -Compress -Depth 6
    $plain = [regex]::Replace($json, '[^\x20-\x7e]', { param($found) '\u{0:x4}' -f [int][char]$found.Value })
    [Console]::Out.Write("`n" + $plain + "`n")
}

function Stop-Step([string]$Word, [string]$Text) {
    if ($Text.Length -gt 300) {
        $Text = $Text.Substring(0, 300)
    }
    Write-Answer ([ordered]@{ error = $Word; detail = $Text })
    exit 0
}

function Get-Sha256([string]$Path) {
    return (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
}

function Get-FreeKib([string]$Folder) {
    $drive = New-Object System.IO.DriveInfo ([System.IO.Path]::GetPathRoot($Folder))
    return [long]([math]::Floor($drive.AvailableFreeSpace / 1024))
}

# Only the system and administrators can make a folder there, so nobody else can put one in the place of ours.
function Get-Base {
    return $env:SystemRoot
}

function Get-Metered {
    try {
        $name = 'Windows.Networking.Connectivity.NetworkInformation, Windows, ContentType=WindowsRuntime'
        $line = [System.Type]::GetType($name, $true).GetMethod('GetInternetConnectionProfile').Invoke($null, $null)
        return ($line.GetConnectionCost().NetworkCostType.ToString() -ne 'Unrestricted')
    } catch {
        return $null
    }
}

function Get-Battery {
    foreach ($each in @(Get-CimInstance -ClassName Win32_Battery -ErrorAction SilentlyContinue)) {
        if ($each.BatteryStatus -eq 1) {
            return [int]$each.EstimatedChargeRemaining
        }
    }
    return $null
}

function Get-Hvci {
    try {
        $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName Win32_DeviceGuard
        return (@($guard.SecurityServicesRunning) -contains 2)
    } catch {
        return $null
    }
}

# Whether Windows itself offers a live dump of the kernel: its storage diagnostics do, since Windows 10 and Server 2016.
function Get-LiveDump {
    $command = Get-Command -Name 'Get-StorageDiagnosticInfo' -ErrorAction SilentlyContinue
    return ($null -ne $command -and $command.Parameters.ContainsKey('IncludeLiveDump'))
}

function Invoke-Preflight {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $computer = Get-CimInstance -ClassName Win32_ComputerSystem
    $base = Get-Base
    $left = @(Get-ChildItem -LiteralPath $base -Directory -Filter 'bulkhead-*' | ForEach-Object { $_.Name })
    Write-Answer ([ordered]@{
            os = $system.Caption
            build = $system.BuildNumber
            arch = $env:PROCESSOR_ARCHITECTURE.ToLowerInvariant()
            ram_kib = [long]([math]::Floor($computer.TotalPhysicalMemory / 1024))
            base = $base
            free_kib = (Get-FreeKib $base)
            lockdown = ''
            battery = (Get-Battery)
            metered = (Get-Metered)
            hvci = (Get-Hvci)
            driver_policy = ([int]$system.BuildNumber -ge 26100)
            live_dump = (Get-LiveDump)
            tools = 'powershell'
            left = ($left -join ' ')
        })
}

function Assert-Folder {
    if ($Given.dir -eq '' -and $Given.id -ne '') {
        $Given.dir = Join-Path (Get-Base) ('bulkhead-' + $Given.id)
    }
    $pattern = '^' + [regex]::Escape((Get-Base)) + '\\bulkhead-[0-9a-f]{16}$'
    if ($Given.dir -notmatch $pattern) {
        Stop-Step 'arguments' ('not a folder of Bulkhead: ' + $Given.dir)
    }
}

function New-Folder {
    if (Test-Path -LiteralPath $Given.dir) {
        $item = Get-Item -LiteralPath $Given.dir -Force
        if (-not $item.PSIsContainer -or $item.Attributes -band [System.IO.FileAttributes]::ReparsePoint) {
            Stop-Step 'folder' ($Given.dir + ' is a link or a file')
        }
        $owner = (Get-Acl -LiteralPath $Given.dir).GetOwner([System.Security.Principal.SecurityIdentifier]).Value
        if (@('S-1-5-18', 'S-1-5-32-544') -notcontains $owner) {
            Stop-Step 'folder' ($Given.dir + ' belongs to ' + $owner)
        }
    } else {
        $null = New-Item -ItemType Directory -Path $Given.dir
    }
    $null = & icacls.exe $Given.dir /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' /grant:r '*S-1-5-32-544:(OI)(CI)F'
    if ($LASTEXITCODE -ne 0) {
        Stop-Step 'folder' ($Given.dir + ' cannot be closed to others: icacls ended with ' + $LASTEXITCODE)
    }
}

function Get-Place([string]$Name) {
    return (Join-Path $Given.dir $Name)
}

function Set-Status([System.Collections.IDictionary]$Members) {
    $json = ConvertTo-Json -InputObject $Members -Compress -Depth 6
    [System.IO.File]::WriteAllText((Get-Place 'status.new'), $json)
    Move-Item -LiteralPath (Get-Place 'status.new') -Destination (Get-Place 'status') -Force
}

function Find-PutFile {
    $places = @((Get-Location).Path, $PSScriptRoot, (Split-Path $PSScriptRoot -Parent))
    $places += Join-Path $env:ProgramData 'Microsoft\Windows Defender Advanced Threat Protection\Downloads'
    $places += Join-Path $env:ProgramData 'Microsoft\Windows Defender Advanced Threat Protection\Temp'
    foreach ($place in $places) {
        $path = Join-Path $place $Given.tool
        if ((Test-Path -LiteralPath $path -PathType Leaf) -and ((Get-Sha256 $path) -eq $Given.sha256)) {
            return $path
        }
    }
    return $null
}

function Get-TaskName {
    return (Split-Path $Given.dir -Leaf)
}

function Get-EndName {
    return ((Get-TaskName) + '-end')
}

function Set-Seen {
    [System.IO.File]::WriteAllText((Get-Place 'seen'), [DateTime]::UtcNow.ToString('o'))
}

function New-Step([string[]]$Known) {
    $line = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "' + (Get-Place 'worker.ps1') + '" worker'
    foreach ($word in $Known) {
        $line += ' ' + $word + '=' + $Given[$word]
    }
    return (New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $line)
}

function New-Account {
    return (New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -RunLevel Highest)
}

# Remove what is ours on the device, but nothing behind a link. The end's task holds this text on one line: so there is
# a semicolon after every statement, and no double quote and no comment.
function Remove-Ours {
    param([string]$Dir, [long]$Unseen);
    $name = Split-Path $Dir -Leaf;
    $seen = Get-Item -LiteralPath ($Dir + '\seen') -ErrorAction SilentlyContinue;
    if ($Unseen -gt 0 -and $null -ne $seen -and ([DateTime]::UtcNow - $seen.LastWriteTimeUtc).TotalSeconds -lt $Unseen) {
        return;
    };
    Stop-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue;
    Unregister-ScheduledTask -TaskName $name -Confirm:$false -ErrorAction SilentlyContinue;
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process)) {
        if ($process.ExecutablePath -like ('*\' + $name + '\*')) {
            Stop-Process -Id $process.ProcessId -Force -ErrorAction SilentlyContinue;
        };
    };
    foreach ($service in @(Get-CimInstance -ClassName Win32_SystemDriver)) {
        if ($service.PathName -like ('*\' + $name + '\*')) {
            $null = & sc.exe stop $service.Name;
            $null = & sc.exe delete $service.Name;
        };
    };
    for ($turn = 0; $turn -lt 10; $turn++) {
        $item = Get-Item -LiteralPath $Dir -Force -ErrorAction SilentlyContinue;
        if ($null -eq $item) {
            Unregister-ScheduledTask -TaskName ($name + '-end') -Confirm:$false -ErrorAction SilentlyContinue;
            return;
        };
        if ($item.Attributes -band [System.IO.FileAttributes]::ReparsePoint) {
            return;
        };
        Remove-Item -LiteralPath $Dir -Recurse -Force -ErrorAction SilentlyContinue;
        Start-Sleep -Milliseconds 300;
    };
}

# What the end does stands in the task itself: it runs no file that could be another one by then.
function New-End {
    $body = ${function:Remove-Ours}.ToString() -replace '\s*[\r\n]+\s*', ' '
    $line = '-NoProfile -NonInteractive -Command "& {' + $body + '} ''' + $Given.dir + ''' ' + [long]$Given.expire + '"'
    return (New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $line)
}

# Nobody may come back: every six hours, and after a restart too, the device looks when somebody was here last. The task
# has an end of its own, after which Windows deletes it.
function Register-End {
    Set-Seen
    $first = (Get-Date).AddHours(6)
    $often = New-ScheduledTaskTrigger -Once -At $first -RepetitionInterval (New-TimeSpan -Hours 6) -RepetitionDuration (New-TimeSpan -Days 30)
    $often.EndBoundary = $first.AddDays(31).ToString('s')
    $limits = New-ScheduledTaskSettingsSet -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -ExecutionTimeLimit (New-TimeSpan -Minutes 30) -DeleteExpiredTaskAfter (New-TimeSpan -Hours 1)
    $null = Register-ScheduledTask -TaskName (Get-EndName) -Action (New-End) -Trigger $often -Principal (New-Account) -Settings $limits -Force
}

function Start-Worker {
    Copy-Item -LiteralPath $PSCommandPath -Destination (Get-Place 'worker.ps1') -Force
    $action = New-Step @('dir', 'how', 'pids', 'tool', 'sha256', 'compress', 'part', 'reserve', 'expire')
    $who = New-Account
    $limits = New-ScheduledTaskSettingsSet -ExecutionTimeLimit (New-TimeSpan -Days 3) -Priority 7 -AllowStartIfOnBatteries
    $null = Register-ScheduledTask -TaskName (Get-TaskName) -Action $action -Principal $who -Settings $limits -Force
    Start-ScheduledTask -TaskName (Get-TaskName)
}

function Test-Alive {
    $task = Get-ScheduledTask -TaskName (Get-TaskName) -ErrorAction SilentlyContinue
    return ($null -ne $task -and $task.State -eq 'Running')
}

function Copy-Tool {
    $from = Find-PutFile
    if ($null -eq $from) {
        Stop-Step 'tool' ('no ' + $Given.tool + ' with the pinned hash was found on the device')
    }
    Copy-Item -LiteralPath $from -Destination (Get-Place 'tool.exe')
    if ((Get-Sha256 (Get-Place 'tool.exe')) -ne $Given.sha256) {
        Stop-Step 'tool' ($Given.tool + ' has another hash than the pinned one')
    }
    Remove-Item -LiteralPath $from -Force -ErrorAction SilentlyContinue
}

function Invoke-Start {
    Assert-Folder
    New-Folder
    if (Test-Path -LiteralPath (Get-Place 'status')) {
        Invoke-Status
        return
    }
    if ($Given.tool -ne '') {
        Copy-Tool
    }
    Register-End
    [System.IO.File]::WriteAllText((Get-Place 'words'), ($Words -join ' '))
    Set-Status ([ordered]@{ state = 'starting' })
    Start-Worker
    Start-Sleep -Seconds 2
    Invoke-Status
}

function Get-ToolWords([string]$Image) {
    $name = $Given.tool.ToLowerInvariant()
    if ($name.StartsWith('go-winpmem')) {
        $packed = 'none'
        if ($Given.compress -eq '1') {
            $packed = 'gzip'
        }
        return @('acquire', '--nosparse', '--compression', $packed, '--driver_path', (Get-Place 'driver.sys'), $Image)
    }
    if ($name.StartsWith('dumpit')) {
        return @('/QUIET', '/NOCOMPRESS', '/OUTPUT', $Image)
    }
    return @('-d', (Get-Place 'driver.sys'), $Image)
}

function Set-Broken([string]$Word, [string]$Text) {
    Remove-Item -LiteralPath (Get-Place 'image') -Force -ErrorAction SilentlyContinue
    if ($Text.Length -gt 300) {
        $Text = $Text.Substring(0, 300)
    }
    Set-Status ([ordered]@{ state = 'failed'; error = $Word; detail = $Text })
    exit 0
}

function Get-Log {
    $said = ''
    foreach ($name in @('out.log', 'err.log')) {
        if (Test-Path -LiteralPath (Get-Place $name)) {
            $said += [System.IO.File]::ReadAllText((Get-Place $name)) + ' '
        }
    }
    $said = [regex]::Replace($said, '\s+', ' ')
    if ($said.Length -gt 300) {
        $said = $said.Substring($said.Length - 300)
    }
    return $said
}

function Assert-Room {
    if ((Get-FreeKib $Given.dir) -lt [long]$Given.reserve) {
        Set-Broken 'disk' 'the disk was getting short, so the capture was ended'
    }
}

# A dump of the kernel's memory by what Windows has for it. No driver of anybody's is loaded.
function Invoke-KernelDump {
    $folder = Get-Place 'kernel'
    $null = New-Item -ItemType Directory -Path $folder -Force
    $system = Get-StorageSubSystem | Select-Object -First 1
    $job = Get-StorageDiagnosticInfo -InputObject $system -DestinationPath $folder -IncludeLiveDump -ExcludeOperationalLog -ExcludeDiagnosticLog -AsJob
    while ($job.State -eq 'NotStarted' -or $job.State -eq 'Running') {
        $bytes = (Get-ChildItem -LiteralPath $folder -Recurse -File | Measure-Object -Property Length -Sum).Sum
        Set-Status ([ordered]@{ state = 'capturing'; bytes = [long]$bytes })
        if ((Get-FreeKib $Given.dir) -lt [long]$Given.reserve) {
            Stop-Job -Job $job
            Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
            Assert-Room
        }
        Start-Sleep -Seconds 2
    }
    $said = ''
    if ($null -ne $job.JobStateInfo.Reason) {
        $said = $job.JobStateInfo.Reason.Message
    }
    [System.IO.File]::WriteAllText((Get-Place 'out.log'), ('the job ended as ' + $job.State + ' ' + $said))
    $dump = Get-ChildItem -LiteralPath $folder -Recurse -File -Filter '*.dmp' | Sort-Object -Property Length -Descending | Select-Object -First 1
    if ($null -ne $dump) {
        Move-Item -LiteralPath $dump.FullName -Destination (Get-Place 'image') -Force
    }
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
}

# Dumps of the processes that were named, each only while it is still the one that was meant; never of lsass.
function Invoke-ProcessDumps {
    $folder = Get-Place 'dumps'
    $null = New-Item -ItemType Directory -Path $folder -Force
    $notes = New-Object System.Collections.ArrayList
    foreach ($word in $Given.pids.Split(',')) {
        $fields = $word.Split(':')
        $found = Get-Process -Id ([int]$fields[0]) -ErrorAction SilentlyContinue
        if ($null -eq $found) {
            $null = $notes.Add($word + ': it runs no more')
            continue
        }
        $named = $found.ProcessName + '.exe'
        if ($found.ProcessName -eq 'lsass' -or ($fields.Count -gt 1 -and $fields[1] -ne $named -and $fields[1] -ne $found.ProcessName)) {
            $null = $notes.Add($word + ': not dumped, it is ' + $named)
            continue
        }
        Assert-Room
        Set-Status ([ordered]@{ state = 'capturing'; bytes = 0 })
        $file = Join-Path $folder ($found.ProcessName.Replace(' ', '_') + '-' + $fields[0] + '.dmp')
        $run = Start-Process -FilePath (Get-Place 'tool.exe') -ArgumentList @('-accepteula', '-ma', $fields[0], $file) -PassThru -Wait -WindowStyle Hidden -RedirectStandardOutput (Get-Place 'out.log') -RedirectStandardError (Get-Place 'err.log')
        if (Test-Path -LiteralPath $file) {
            $null = $notes.Add($word + ': ' + (Get-Item -LiteralPath $file).Length + ' bytes')
        } else {
            $null = $notes.Add($word + ': no dump, exit code ' + $run.ExitCode + ' ' + (Get-Log))
        }
    }
    [System.IO.File]::WriteAllText((Join-Path $folder 'notes.txt'), ($notes -join "`r`n"))
    if (@(Get-ChildItem -LiteralPath $folder -Filter '*.dmp').Count -eq 0) {
        Set-Broken 'tool' ('no process was dumped: ' + ($notes -join '; '))
    }
    Assert-Room
    Add-Type -AssemblyName 'System.IO.Compression.FileSystem'
    [System.IO.Compression.ZipFile]::CreateFromDirectory($folder, (Get-Place 'image'), [System.IO.Compression.CompressionLevel]::Fastest, $false)
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
}

function Invoke-Capture {
    $image = Get-Place 'image'
    Remove-Item -LiteralPath $image -Force -ErrorAction SilentlyContinue
    if ($Given.how -eq 'kernel') {
        Invoke-KernelDump
        return
    }
    if ($Given.how -eq 'processes') {
        Invoke-ProcessDumps
        return
    }
    $process = Start-Process -FilePath (Get-Place 'tool.exe') -ArgumentList (Get-ToolWords $image) -PassThru -WindowStyle Hidden -RedirectStandardOutput (Get-Place 'out.log') -RedirectStandardError (Get-Place 'err.log')
    while (-not $process.HasExited) {
        $bytes = 0
        if (Test-Path -LiteralPath $image) {
            $bytes = (Get-Item -LiteralPath $image).Length
        }
        Set-Status ([ordered]@{ state = 'capturing'; bytes = $bytes })
        if ((Get-FreeKib $Given.dir) -lt [long]$Given.reserve) {
            $process.Kill()
            $process.WaitForExit()
            Set-Broken 'disk' 'the disk was getting short, so the capture was ended'
        }
        Start-Sleep -Seconds 2
    }
}

function Get-Format {
    $image = Get-Place 'image'
    if ($Given.how -eq 'processes') {
        return 'zip'
    }
    if (-not (Test-Path -LiteralPath $image) -or (Get-Item -LiteralPath $image).Length -lt $Mebibyte) {
        Set-Broken 'tool' ('the tool wrote no image: ' + (Get-Log))
    }
    $head = New-Object byte[] 1048576
    $stream = [System.IO.File]::OpenRead($image)
    try {
        $read = $stream.Read($head, 0, $head.Length)
    } finally {
        $stream.Close()
    }
    $text = [System.Text.Encoding]::ASCII.GetString($head, 0, 8)
    if ($text -eq 'PAGEDU64' -or $text -eq 'PAGEDUMP') {
        return 'dmp'
    }
    if ($Given.how -eq 'kernel') {
        Set-Broken 'tool' ('what Windows wrote is no dump: ' + (Get-Log))
    }
    if ($head[0] -eq 31 -and $head[1] -eq 139) {
        return 'raw.gz'
    }
    $sum = 0
    foreach ($value in $head) {
        $sum += $value
    }
    if ($read -lt $head.Length -or $sum -eq 0) {
        Set-Broken 'tool' ('what the tool wrote holds nothing: ' + (Get-Log))
    }
    return 'raw'
}

function Copy-Range([System.IO.Stream]$From, [long]$Length, $To, [object[]]$Hashes) {
    $buffer = New-Object byte[] 1048576
    $left = $Length
    while ($left -gt 0) {
        $read = $From.Read($buffer, 0, [int][math]::Min($left, $buffer.Length))
        if ($read -le 0) {
            break
        }
        foreach ($hash in $Hashes) {
            $null = $hash.TransformBlock($buffer, 0, $read, $null, 0)
        }
        if ($null -ne $To) {
            $To.Write($buffer, 0, $read)
        }
        $left -= $read
    }
}

function Get-Digest($Hash) {
    $null = $Hash.TransformFinalBlock((New-Object byte[] 0), 0, 0)
    return ([System.BitConverter]::ToString($Hash.Hash)).Replace('-', '').ToLowerInvariant()
}

function Invoke-Hashing([string]$Format) {
    $whole = [System.Security.Cryptography.SHA256]::Create()
    $stream = [System.IO.File]::OpenRead((Get-Place 'image'))
    $parts = New-Object System.Collections.ArrayList
    try {
        $at = [long]0
        while ($at -lt $stream.Length) {
            $length = [long][math]::Min([long]$Given.part, $stream.Length - $at)
            Set-Status ([ordered]@{ state = 'hashing'; bytes = $at; size = $stream.Length })
            $one = [System.Security.Cryptography.SHA256]::Create()
            Copy-Range $stream $length $null @($whole, $one)
            $null = $parts.Add(('{0} {1} {2}' -f $at, $length, (Get-Digest $one)))
            $at += $length
        }
        $size = $stream.Length
    } finally {
        $stream.Close()
    }
    [System.IO.File]::WriteAllText((Get-Place 'parts'), ($parts -join "`n"))
    Set-Status ([ordered]@{
            state = 'ready'
            size = $size
            sha256 = (Get-Digest $whole)
            format = $Format
            part = [long]$Given.part
            interrupted = 0
            log = (Get-Log)
        })
}

function Invoke-Worker {
    Assert-Folder
    $known = Get-Content -LiteralPath (Get-Place 'status') -Raw | ConvertFrom-Json
    if ($known.state -eq 'starting' -or $known.state -eq 'capturing') {
        Invoke-Capture
    }
    if ($known.state -ne 'ready' -and $known.state -ne 'failed') {
        Invoke-Hashing (Get-Format)
        Remove-Item -LiteralPath (Get-Place 'tool.exe') -Force -ErrorAction SilentlyContinue
    }
}

function Invoke-Status {
    Assert-Folder
    if (-not (Test-Path -LiteralPath (Get-Place 'status'))) {
        Stop-Step 'gone' ($Given.dir + ' is not there any more')
    }
    Set-Seen
    $known = Get-Content -LiteralPath (Get-Place 'status') -Raw | ConvertFrom-Json
    $alive = Test-Alive
    $again = $false
    if (-not $alive -and $known.state -ne 'ready' -and $known.state -ne 'failed') {
        Start-ScheduledTask -TaskName (Get-TaskName) -ErrorAction SilentlyContinue
        Start-Sleep -Seconds 2
        $alive = Test-Alive
        $again = $alive
    }
    $members = [ordered]@{ alive = ($alive -or $known.state -eq 'ready'); again = $again; free_kib = (Get-FreeKib $Given.dir) }
    foreach ($member in $known.PSObject.Properties) {
        $members[$member.Name] = $member.Value
    }
    Write-Answer $members
}

function Invoke-Cut {
    Assert-Folder
    $image = Get-Place 'image'
    if (-not (Test-Path -LiteralPath $image)) {
        Stop-Step 'gone' 'the image is not there any more'
    }
    Set-Seen
    Get-ChildItem -LiteralPath $Given.dir -Filter 'part-*' | Remove-Item -Force
    $known = @{}
    foreach ($line in @(Get-Content -LiteralPath (Get-Place 'parts'))) {
        $fields = $line.Split(' ')
        $known[$fields[0] + ' ' + $fields[1]] = $fields[2]
    }
    $made = New-Object System.Collections.ArrayList
    $stream = [System.IO.File]::OpenRead($image)
    try {
        $size = $stream.Length
        for ($turn = 0; $turn -lt [int]$Given.count; $turn++) {
            $at = [long]$Given.offset + $turn * [long]$Given.length
            if ($at -ge $size) {
                break
            }
            $length = [long][math]::Min([long]$Given.length, $size - $at)
            if ((Get-FreeKib $Given.dir) -le $length / 1024 + [long]$Given.reserve) {
                break
            }
            $null = $stream.Seek($at, [System.IO.SeekOrigin]::Begin)
            $hash = [System.Security.Cryptography.SHA256]::Create()
            $target = [System.IO.File]::Create((Get-Place ('part-{0}-{1}' -f $at, $length)))
            try {
                Copy-Range $stream $length $target @($hash)
            } finally {
                $target.Close()
            }
            $sum = Get-Digest $hash
            $before = $known[('{0} {1}' -f $at, $length)]
            if ($null -ne $before -and $before -ne $sum) {
                Stop-Step 'changed' 'the image is not what it was when it was hashed'
            }
            $null = $made.Add([ordered]@{ offset = $at; length = $length; sha256 = $sum })
        }
    } finally {
        $stream.Close()
    }
    if ($made.Count -eq 0) {
        Stop-Step 'disk' ('there is no room for a part of ' + $Given.length + ' bytes')
    }
    Write-Answer ([ordered]@{ size = $size; parts = @($made) })
}

function Add-Output([string]$Name, [scriptblock]$Command) {
    $path = Join-Path (Get-Place 'bundle') $Name
    try {
        & $Command | Out-File -LiteralPath $path -Encoding UTF8 -Width 4096
    } catch {
        [System.IO.File]::WriteAllText($path + '.missing.txt', $_.Exception.Message)
    }
}

function New-Bundle {
    Assert-Folder
    New-Folder
    Remove-Item -LiteralPath (Get-Place 'bundle') -Recurse -Force -ErrorAction SilentlyContinue
    $null = New-Item -ItemType Directory -Path (Get-Place 'bundle')
    Register-End
}

function Send-Bundle([string]$Name) {
    $file = Get-Place ($Name + '.zip')
    Compress-Archive -Path (Join-Path (Get-Place 'bundle') '*') -DestinationPath $file -Force
    Remove-Item -LiteralPath (Get-Place 'bundle') -Recurse -Force
    Write-Answer ([ordered]@{
            dir = $Given.dir
            path = $file
            size = (Get-Item -LiteralPath $file).Length
            sha256 = (Get-Sha256 $file)
        })
}

function Invoke-Triage {
    New-Bundle
    Add-Output 'time.txt' { [DateTime]::UtcNow.ToString('o') }
    Add-Output 'connections.txt' { Get-NetTCPConnection | Select-Object -Property '*' | Format-List }
    Add-Output 'udp.txt' { Get-NetUDPEndpoint | Select-Object -Property @('LocalAddress', 'LocalPort', 'OwningProcess') | Format-Table }
    Add-Output 'netstat.txt' { & netstat.exe -anob }
    Add-Output 'dns-cache.txt' { & ipconfig.exe /displaydns }
    Add-Output 'arp.txt' { & arp.exe -a }
    Add-Output 'processes.txt' { Get-CimInstance -ClassName Win32_Process | Select-Object -Property @('ProcessId', 'ParentProcessId', 'CreationDate', 'Name', 'ExecutablePath', 'CommandLine') | Format-List }
    Add-Output 'modules.txt' { & tasklist.exe /m /fo csv }
    Add-Output 'services.txt' { Get-CimInstance -ClassName Win32_Service | Select-Object -Property @('Name', 'State', 'ProcessId', 'PathName') | Format-List }
    Add-Output 'drivers.txt' { Get-CimInstance -ClassName Win32_SystemDriver | Select-Object -Property @('Name', 'State', 'PathName') | Format-List }
    Add-Output 'sessions.txt' { & quser.exe }
    Add-Output 'shares.txt' { Get-SmbSession | Format-List }
    Add-Output 'tasks.txt' { & schtasks.exe /query /v /fo csv }
    Send-Bundle 'triage'
}

function Invoke-Logs {
    New-Bundle
    $logs = @('System', 'Application', 'Windows PowerShell', 'Microsoft-Windows-PowerShell/Operational', 'Microsoft-Windows-Sysmon/Operational')
    foreach ($log in $logs) {
        $name = $log.Replace('/', '-').Replace(' ', '-')
        $path = Join-Path (Get-Place 'bundle') ($name + '.evtx')
        $null = & wevtutil.exe epl $log $path 2>&1
        if (-not (Test-Path -LiteralPath $path)) {
            [System.IO.File]::WriteAllText($path + '.missing.txt', 'there is no such log, or it cannot be read')
        }
    }
    Send-Bundle 'logs'
}

# What is still there afterwards, in words; nothing where all is gone.
function Get-Left {
    if (Test-Path -LiteralPath $Given.dir) {
        return @($Given.dir)
    }
    $left = @()
    foreach ($name in @((Get-TaskName), (Get-EndName))) {
        if ($null -ne (Get-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue)) {
            $left += 'the task ' + $name
        }
    }
    return $left
}

function Invoke-Clean {
    Assert-Folder
    Remove-Ours $Given.dir 0
    $left = @(Get-Left)
    Write-Answer ([ordered]@{ clean = ($left.Count -eq 0); left = ($left -join ' ') })
}

try {
    if ($Step -eq 'preflight') {
        Invoke-Preflight
    } elseif ($Step -eq 'start') {
        Invoke-Start
    } elseif ($Step -eq 'worker') {
        Invoke-Worker
    } elseif ($Step -eq 'status') {
        Invoke-Status
    } elseif ($Step -eq 'cut') {
        Invoke-Cut
    } elseif ($Step -eq 'triage') {
        Invoke-Triage
    } elseif ($Step -eq 'logs') {
        Invoke-Logs
    } elseif ($Step -eq 'clean') {
        Invoke-Clean
    } else {
        Stop-Step 'arguments' ('no such step: ' + $Step)
    }
} catch {
    Stop-Step 'broken' ($_.Exception.Message + ' at line ' + $_.InvocationInfo.ScriptLineNumber)
}
