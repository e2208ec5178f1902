<#
.SYNOPSIS
The tasks of this repository: build, test, demo, bench, torture, servers, package, help.
.DESCRIPTION
The same tasks as ./build.sh. Where bash is there (Linux), build.sh does the work. Elsewhere the servers are containers or your own:
  docker compose -f tests/servers/compose.yaml up -d --wait
and their addresses are taken from BILLING_MYSQL, BILLING_MARIADB (host:port), BILLING_DYNAMODB and BILLING_KMS (URL), by default the ports of compose.yaml.
.EXAMPLE
./build.ps1 test
.EXAMPLE
./build.ps1 torture export
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [string] $Task = 'help',

    [Parameter(Position = 1, ValueFromRemainingArguments)]
    [string[]] $Arguments = @()
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
Set-Location -LiteralPath $PSScriptRoot

$tasks = 'build', 'test', 'demo', 'bench', 'torture', 'servers', 'package', 'help'
if ($Task -notin $tasks) {
    [Console]::Error.WriteLine("build.ps1: there is no task '$Task'; tasks: $($tasks -join ', ')")
    exit 2
}

if ($IsLinux -and (Get-Command bash -CommandType Application -ErrorAction Ignore)) {
    & bash ./build.sh $Task @Arguments
    exit $LASTEXITCODE
}

function Exit-Task([string] $Message, [int] $Code = 1) {
    [Console]::Error.WriteLine("build.ps1: $Message")
    exit $Code
}

function Invoke-Dotnet {
    & dotnet @args
    if ($LASTEXITCODE -ne 0) { Exit-Task "dotnet $($args[0]) ended with code $LASTEXITCODE" }
}

function Assert-Dotnet {
    if (-not (Get-Command dotnet -CommandType Application -ErrorAction Ignore) -or -not ((& dotnet --list-sdks) -match '^10\.')) {
        Exit-Task 'the .NET 10 SDK is missing: it builds and runs everything. Get it: https://dot.net'
    }
}

function Invoke-Build {
    Assert-Dotnet
    Invoke-Dotnet build BillingMigration.slnx -c Release -v q
    $fresh = Join-Path $PSScriptRoot 'artifacts/obj/module'
    if (Test-Path -LiteralPath $fresh) { Remove-Item -LiteralPath $fresh -Recurse -Force }
    Invoke-Dotnet publish src/BillingMigration.PowerShell -c Release -v q --no-build -o (Join-Path $fresh 'bin')
    if (Test-Path -LiteralPath (Join-Path $fresh 'bin/System.Management.Automation.dll')) {
        Exit-Task 'System.Management.Automation.dll must not be shipped: mark its package ExcludeAssets="runtime"'
    }
    foreach ($folder in Get-ChildItem -LiteralPath $fresh -Directory) {
        $place = Join-Path $PSScriptRoot $folder.Name
        if (Test-Path -LiteralPath $place) { Remove-Item -LiteralPath $place -Recurse -Force }
        Copy-Item -LiteralPath $folder.FullName -Destination $place -Recurse
    }
    "Built; the module is ready: Import-Module $PSScriptRoot/BillingMigration.psd1"
}

function Use-ServerAddress {
    if (-not $env:BILLING_MYSQL) { $env:BILLING_MYSQL = '127.0.0.1:33306' }
    if (-not $env:BILLING_MARIADB) { $env:BILLING_MARIADB = '127.0.0.1:33307' }
    if (-not $env:BILLING_DYNAMODB) { $env:BILLING_DYNAMODB = 'http://127.0.0.1:33800' }
    if (-not $env:BILLING_KMS) { $env:BILLING_KMS = 'http://127.0.0.1:33055' }
}

function Invoke-Compose {
    if (-not (Get-Command docker -CommandType Application -ErrorAction Ignore)) {
        Exit-Task 'docker is missing: without bash and apt the servers run in containers. Get it: https://docs.docker.com/get-docker/'
    }
    & docker compose -f tests/servers/compose.yaml @args
    if ($LASTEXITCODE -ne 0) { Exit-Task "docker compose $($args[0]) ended with code $LASTEXITCODE" }
}

# Runs a program of tests and adds up what it reports.
function Invoke-TestProgram([hashtable] $Count, [string] $Name, [string[]] $Command) {
    $report = Join-Path $PSScriptRoot "artifacts/test/$($Name.Replace(' ', '-')).xml"
    if (Test-Path -LiteralPath $report) { Remove-Item -LiteralPath $report }
    "--- $Name"
    $program, [string[]] $options = $Command
    & $program @options -noLogo -noColor -longRunning 300 -result-xml $report
    if (-not (Test-Path -LiteralPath $report)) {
        "$Name ended with code $LASTEXITCODE and left no report: counted as one failure"
        $Count.Failed++
        return
    }
    $assembly = ([xml](Get-Content -LiteralPath $report -Raw)).assemblies.assembly
    $Count.Passed += [int]$assembly.passed
    $broken = [int]$assembly.failed + [int]$assembly.errors
    if ($LASTEXITCODE -ne 0 -and $broken -eq 0) { $broken = 1 }
    $Count.Failed += $broken
    $Count.Skipped += [int]$assembly.skipped
}

# PowerShell 7.4 runs on .NET 8: what the core does in every migration is tried on that as well, from a folder that has the runtime in it.
function Invoke-TestOnNet8([hashtable] $Count) {
    $name = 'BillingMigration.Core.Tests'
    $rid = [regex]::Match((& dotnet --info | Out-String), '(?m)^ *RID: *(\S+)').Groups[1].Value
    $folder = Join-Path $PSScriptRoot 'artifacts/net8'
    Invoke-Dotnet publish "tests/$name" -c Release -r $rid --self-contained -o $folder -v q
    $tests = 'BillingMigration.Tests'
    $classes = foreach ($class in "$tests.Model.*", "$tests.Definition.*", "$tests.Target.*", '*.ExportTests', '*.ComparisonTests', '*.BinlogConnectionTests', '*.BinlogLoginTests', '*.MariaDbTableTests', '*.ClientTextTests') {
        '-class'; $class
    }
    Invoke-TestProgram $Count "$name on .NET 8" (@(Join-Path $folder $name) + $classes)
}

function Invoke-Test {
    Invoke-Build
    $ownContainer = -not $env:BILLING_DYNAMODB -and (Get-Command docker -CommandType Application -ErrorAction Ignore)
    Use-ServerAddress
    $null = New-Item -ItemType Directory -Path (Join-Path $PSScriptRoot 'artifacts/test') -Force
    $count = @{ Passed = 0; Failed = 0; Skipped = 0 }
    foreach ($project in Get-ChildItem -Path tests -Directory -Filter '*.Tests') {
        $name = $project.Name
        $framework = ([xml](Get-Content -LiteralPath (Join-Path $project.FullName "$name.csproj") -Raw)).Project.PropertyGroup.TargetFramework
        Invoke-TestProgram $count $name 'dotnet', (Join-Path $project.FullName "bin/Release/$framework/$name.dll")
        # DynamoDB Local slows down with all that it ever held: each project has a new one.
        if ($ownContainer) { Invoke-Compose up -d --wait --force-recreate dynamodb }
    }
    Invoke-TestOnNet8 $count
    if (Test-Path -LiteralPath tests/pester) {
        if (Get-Module -ListAvailable Pester | Where-Object Version -ge 5.7) {
            $result = Invoke-Pester -Path tests/pester -PassThru -Output Detailed
            $count.Passed += $result.PassedCount
            $count.Failed += $result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount
            $count.Skipped += $result.SkippedCount
        }
        else {
            $left = @(Select-String -Path tests/pester/*.Tests.ps1 -Pattern '^\s*It ').Count
            "$left tests of tests/pester were not run, and are counted as skipped: they need Pester 5.7 or later (Install-Module Pester), which is not here."
            $count.Skipped += $left
        }
    }
    "$($count.Passed) passed, $($count.Failed) failed, $($count.Skipped) skipped"
    if ($count.Failed -gt 0 -or $count.Passed -eq 0) { exit 1 }
}

function Invoke-Demo {
    Invoke-Build
    # A server that was named may hold someone's data: only the container's sample database is replaced.
    $replace = if ($env:BILLING_MYSQL) { @() } else { @('--replace') }
    Use-ServerAddress
    $server, $port = $env:BILLING_MYSQL -split ':'
    Invoke-Dotnet examples/SampleBilling/bin/Release/net8.0/SampleBilling.dll --host $server --port $port --rows 50000 --seed 42 @replace
    & (Join-Path $PSScriptRoot 'examples/demo.ps1') -Source $env:BILLING_MYSQL -EndpointUrl $env:BILLING_DYNAMODB
}

function Invoke-Program([string] $Project, [string[]] $Options) {
    Assert-Dotnet
    Use-ServerAddress
    & dotnet run -c Release --project $Project -- @Options
    exit $LASTEXITCODE
}

switch ($Task) {
    'build' { Invoke-Build }
    'test' { Invoke-Test }
    'demo' { Invoke-Demo }
    'bench' { Invoke-Program 'benchmarks/BillingMigration.Benchmarks' $Arguments }
    'torture' {
        if ($Arguments.Count -eq 0) { Exit-Task 'torture NAME [arguments], for example: torture export' 2 }
        Invoke-Program 'tests/BillingMigration.Torture' $Arguments
    }
    'servers' {
        switch ($Arguments | Select-Object -First 1) {
            'start' { Invoke-Compose up -d --wait }
            'stop' { Invoke-Compose down }
            'status' { Invoke-Compose ps }
            default { Exit-Task 'servers start, servers stop or servers status' 2 }
        }
    }
    'package' {
        Invoke-Build
        Invoke-Dotnet msbuild tools/package.proj -nologo -v:m
    }
    'help' { Get-Help $PSCommandPath -Full | Out-String | Write-Output }
}
