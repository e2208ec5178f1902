<#
.SYNOPSIS
    Moves the sample billing database into DynamoDB Local while applications write, and shows what arrived.
.DESCRIPTION
    Runs on pwsh and on tools/BillingMigration.Host, so it uses core commands and .NET only.
    The source is MySQL or MariaDB on this machine with the user root and no password, as tests/servers starts it.
.PARAMETER Source
    Host and port of the source.
.PARAMETER EndpointUrl
    Endpoint of DynamoDB Local.
.PARAMETER Account
    Account to read back.
.PARAMETER WriteSeconds
    How long an application writes beside the export.
.PARAMETER Rows
    Number of rows in the source, for the heading only.
#>
[CmdletBinding()]
param(
    [string] $Source = '127.0.0.1:33306',
    [string] $EndpointUrl = 'http://127.0.0.1:33800',
    [string] $Account = '42',
    [string] $WriteSeconds = '8',
    [long] $Rows
)

$ErrorActionPreference = 'Stop'
$root = [System.IO.Path]::GetDirectoryName($PSScriptRoot)
Import-Module ([System.IO.Path]::Combine($root, 'BillingMigration.psd1'))

function Step([string] $Title, [string] $Command) {
    ''
    "== $Title"
    "   PS> $Command"
}

# The sample definition with this run's addresses, as a copy: a definition names one source and one target.
function Write-DemoDefinition {
    $json = [System.Text.Json.Nodes.JsonNode]::Parse([System.IO.File]::ReadAllText([System.IO.Path]::Combine($root, 'examples', 'sample', 'migration.json')))
    $colon = $Source.LastIndexOf(':')
    $json['source']['host'] = [System.Text.Json.Nodes.JsonNode]::Parse('"' + $Source.Substring(0, $colon) + '"')
    $json['source']['port'] = [System.Text.Json.Nodes.JsonNode]::Parse($Source.Substring($colon + 1))
    $json['target']['endpointUrl'] = [System.Text.Json.Nodes.JsonNode]::Parse('"' + $EndpointUrl + '"')
    $null = $json.Remove('$schema')
    $folder = [System.IO.Directory]::CreateDirectory([System.IO.Path]::Combine($root, 'artifacts', 'demo'))
    $path = [System.IO.Path]::Combine($folder.FullName, 'migration.json')
    [System.IO.File]::WriteAllText($path, $json.ToString())
    $path
}

# The sample's own program beside the migration: an application that writes, or counts of the tables.
function Invoke-Sample([string[]] $Arguments) {
    $start = [System.Diagnostics.ProcessStartInfo]::new('dotnet')
    $program = [System.IO.Path]::Combine($root, 'examples', 'SampleBilling', 'bin', 'Release', 'net8.0', 'SampleBilling.dll')
    foreach ($argument in @($program) + $Arguments + @('--port', $Source.Substring($Source.LastIndexOf(':') + 1))) { $start.ArgumentList.Add($argument) }
    $start.RedirectStandardOutput = $true
    [System.Diagnostics.Process]::Start($start)
}

# An application with a routed store: eight clerks at work, and a line each second of how that goes.
function Invoke-Office {
    $start = [System.Diagnostics.ProcessStartInfo]::new('dotnet')
    $program = [System.IO.Path]::Combine($root, 'examples', 'BillingApp', 'bin', 'Release', 'net10.0', 'BillingApp.dll')
    foreach ($argument in $program, '--definition', $path, '--backend', 'routed', 'busy', '50') { $start.ArgumentList.Add($argument) }
    $start.Environment['AWS_ACCESS_KEY_ID'] = 'demo'
    $start.Environment['AWS_SECRET_ACCESS_KEY'] = 'demo'
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    [System.Diagnostics.Process]::Start($start)
}

# What it says in so many seconds.
function Show-Office([System.Diagnostics.Process] $Office, [int] $Lines) {
    for ($i = 0; $i -lt $Lines; $i++) { "   | $($Office.StandardOutput.ReadLine())" }
}

# Somebody changes an item by hand, past the module: one request of DynamoDB's own interface.
function Edit-ItemByHand([string] $SortKey, [string] $Amount) {
    $body = '{"TableName":"billing","Key":{"pk":{"S":"ACCOUNT#' + $Account + '"},"sk":{"S":"' + $SortKey + '"}},"UpdateExpression":"SET amount = :a","ExpressionAttributeValues":{":a":{"N":"' + $Amount + '"}}}'
    $request = [System.Net.Http.HttpRequestMessage]::new('POST', $EndpointUrl)
    $request.Content = [System.Net.Http.StringContent]::new($body, [System.Text.Encoding]::UTF8, 'application/x-amz-json-1.0')
    $null = $request.Headers.TryAddWithoutValidation('X-Amz-Target', 'DynamoDB_20120810.UpdateItem')
    $null = $request.Headers.TryAddWithoutValidation('X-Amz-Date', '20260101T000000Z')
    $null = $request.Headers.TryAddWithoutValidation('Authorization', 'AWS4-HMAC-SHA256 Credential=demo/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0')
    $client = [System.Net.Http.HttpClient]::new()
    $null = $client.Send($request).EnsureSuccessStatusCode()
    $client.Dispose()
}

# Each object goes to Out-Default by itself: the first of a mixed stream decides the layout of the others.
$watch = [System.Diagnostics.Stopwatch]::StartNew()
'BillingMigration: a billing database moves into one DynamoDB table'
"  from MySQL at $Source"
"  to DynamoDB at $EndpointUrl"
if ($Rows) { '  {0:N0} rows' -f $Rows }

$path = Write-DemoDefinition
$login = [pscredential]::new('root', [securestring]::new())
Step 'Connect to both sides' 'Connect-BillingMigration -Path artifacts/demo/migration.json ...'
$migration = Connect-BillingMigration -Path $path -SourceCredential $login -EndpointUrl $EndpointUrl -AccessKey demo -SecretKey demo
$migration | Out-Default

Step 'Create the tables' 'Initialize-BillingTable'
$tables = $migration | Initialize-BillingTable
$tables | Out-Default

Step 'Look at the plan' 'Export-BillingSnapshot -WhatIf'
$tables | Export-BillingSnapshot -WhatIf

Step 'Export, while an application goes on writing' 'Export-BillingSnapshot'
$application = Invoke-Sample '--write', '1', '--seconds', $WriteSeconds
$export = $tables | Export-BillingSnapshot
$export | Out-Default

Step 'Catch up with what has changed meanwhile' 'Sync-BillingChanges -Until CaughtUp'
$export | Sync-BillingChanges -Until CaughtUp | Out-Default
$written = $application.StandardOutput.ReadToEnd().Trim()
$application.WaitForExit()
"  The application has ended: $written"
$sync = $export | Sync-BillingChanges -Until CaughtUp
$sync | Out-Default

Step 'Count both sides' 'Get-BillingMigration -CountItems'
$state = Get-BillingMigration -CountItems
$state | Out-Default
$counts = Invoke-Sample '--count'
$agree = $true
'  {0,-20}{1,12}{2,12}' -f 'Table', 'Rows', 'Items'
foreach ($line in $counts.StandardOutput.ReadToEnd().Trim().Split("`n")) {
    $table, $rowsNow = $line.Trim().Split(' ')
    $entity = @($state.Entities).Where({ $_.SourceTable -eq $table })[0]
    '  {0,-20}{1,12:N0}{2,12:N0}' -f $table, [long]$rowsNow, $entity.Counted
    if ([long]$rowsNow -ne $entity.Counted) { $agree = $false }
}
if (-not $agree -or "$($sync.State)" -ne 'Consistent') { throw 'The counts do not agree.' }
'  The counts agree, and the table is consistent.'

Step 'Read one account back' "Get-BillingAccount -Id $Account"
$read = Get-BillingAccount -Id $Account
$read | Out-Default
'  Its last bills:'
foreach ($bill in @($read.Bills)[-3..-1]) {
    if ($bill) { '    {0,-20}{1,-12:yyyy-MM-dd}{2,-10}{3,12:N2} {4}' -f $bill.bill_number, $bill.bill_date, $bill.status, $bill.total, $read.currency }
}
'  Its last charges:'
foreach ($charge in @($read.Charges)[-5..-1]) {
    if ($charge) {
        $text = "$($charge.description)"
        if ($text.Length -gt 30) { $text = $text.Substring(0, 27) + '...' }
        '    {0,-20:yyyy-MM-dd HH:mm:ss}{1,-11}{2,-31}{3,11:N4}' -f $charge.charged_at, $charge.charge_type, $text, $charge.amount
    }
}

Step 'Prove that the table is the source' 'Test-MigrationIntegrity'
$verdict = Test-MigrationIntegrity
$verdict | Out-Default
if (-not $verdict.Passed) { throw "The table is not the source: $($verdict.Reason)" }

Step 'Somebody changes an amount by hand; find it' 'Test-MigrationIntegrity -NoError'
$victim = @($read.Charges)[-1]
Edit-ItemByHand ("CHARGE#{0:yyyy-MM-dd'T'HH':'mm':'ss.ffffff}#{1:D20}" -f $victim.charged_at, [long]$victim.charge_id) '0.01'
$found = Test-MigrationIntegrity -NoError
if ($found.Passed -or $found.Differences.Length -ne 1) { throw 'The planted fault was not found.' }
$found.Differences | Out-Default

Step 'Repair it, and prove it again' 'Test-MigrationIntegrity -PassThru | Repair-BillingItem -AllowDelete -Confirm:$false; Test-MigrationIntegrity'
Test-MigrationIntegrity -PassThru | Repair-BillingItem -AllowDelete -Confirm:$false | Out-Default
$again = Test-MigrationIntegrity
$again | Out-Default
if (-not $again.Passed) { throw 'The repair left something.' }

Step 'Switch an application over while it works' 'Switch-BillingBackend -To DynamoDB -Confirm:$false'
$office = Invoke-Office
Show-Office $office 3
$switched = Switch-BillingBackend -To DynamoDB -Reason 'demo' -Confirm:$false
Show-Office $office 6
$switched | Out-Default

Step 'And back' 'Switch-BillingBackend -To MySql -Confirm:$false'
$switched = Switch-BillingBackend -To MySql -Reason 'demo' -Confirm:$false
Show-Office $office 6
$switched | Out-Default

Step 'And over again' 'Switch-BillingBackend -To DynamoDB -Confirm:$false'
$switched = Switch-BillingBackend -To DynamoDB -Reason 'demo' -Confirm:$false
$office.StandardInput.Close()
while ($null -ne ($line = $office.StandardOutput.ReadLine())) { "   | $line"; $last = $line }
if ("$($switched.Route.State)" -ne 'DynamoDb' -or $last -notlike '* 0 calls failed*') { throw "The application noticed: $last" }
$back = Sync-BillingChanges -Direction Reverse
$back | Out-Default
$verdict = Test-MigrationIntegrity
$verdict | Out-Default
if (-not $back.IsCaughtUp -or -not $verdict.Passed) { throw 'The source is not the table.' }
Get-BillingMigration | Out-Default

Disconnect-BillingMigration
''
'Done: {0:N0} items in {1:0.0} s, {2:N0} items/s; the whole demo took {3:0.0} s.' -f $export.Items, $export.Duration.TotalSeconds, $export.ItemsPerSecond, $watch.Elapsed.TotalSeconds
