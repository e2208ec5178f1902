<#
.SYNOPSIS
    Exports the billing snapshot from an Azure Automation runbook, a part at each run, until it is complete.
.DESCRIPTION
    For a Hybrid Worker that reaches the source database, with PowerShell 7.4 or later. Schedule it as often as you like: each run goes on
    where the last one stopped, on whichever worker it runs, and two runs at once do no harm (the second is refused with LeaseHeld and
    ends as it should). There is no console: what it writes is the output of the job.

    Assets of the automation account:
      credential BillingSource   user name and password of the source account
      credential BillingAws      access key id and secret key; leave it out where the worker has an AWS role or profile, or -AwsRoleArn is given
      module     BillingMigration, from the zip that the task 'package' makes
.PARAMETER DefinitionPath
    The definition file on the worker.
.PARAMETER MaxDuration
    How long one run may export. Azure ends jobs in its own sandbox after three hours; stay below whatever limit yours has.
.PARAMETER Entity
    Entities to export. All by default.
.PARAMETER WriteUnitsPerSecond
    Upper limit of write capacity units per second. The definition's by default.
.PARAMETER AwsRoleArn
    Role to assume as the machine's managed identity, with -AwsAudience: Use-ManagedIdentity.ps1 is published beside this runbook then.
.PARAMETER AwsAudience
    Application ID URI of the app registration that stands for AWS.
#>
param(
    [Parameter(Mandatory)]
    [string] $DefinitionPath,

    [timespan] $MaxDuration = '02:30:00',

    [string[]] $Entity,

    [double] $WriteUnitsPerSecond,

    [string] $AwsRoleArn,

    [string] $AwsAudience
)

$ErrorActionPreference = 'Stop'
# A job's log is no place for progress bars.
$ProgressPreference = 'SilentlyContinue'

if ($AwsRoleArn) { ./Use-ManagedIdentity.ps1 -RoleArn $AwsRoleArn -Audience $AwsAudience }

Import-Module BillingMigration

$connect = @{
    Path             = $DefinitionPath
    SourceCredential = Get-AutomationPSCredential -Name 'BillingSource'
}
try {
    $connect.Credential = Get-AutomationPSCredential -Name 'BillingAws'
}
catch {
    Write-Output 'There is no credential BillingAws: the worker''s own AWS role or profile is used.'
}

$export = @{ MaxDuration = $MaxDuration }
if ($Entity) { $export.Entity = $Entity }
if ($WriteUnitsPerSecond) { $export.WriteUnitsPerSecond = $WriteUnitsPerSecond }

$migration = $null
try {
    $migration = Connect-BillingMigration @connect
    $result = $migration | Initialize-BillingTable | Export-BillingSnapshot @export
}
catch {
    if ($_.FullyQualifiedErrorId -like 'LeaseHeld,*') {
        Write-Output "Another worker is exporting. $($_.Exception.Message)"
        return
    }

    throw
}
finally {
    # Where Connect failed there is nothing to close, and its error is the one to see.
    if ($migration) { $migration | Disconnect-BillingMigration }
}

foreach ($e in $result.Entities) {
    Write-Output ('{0}: {1:N0} items, {2} of {3} ranges' -f $e.Entity, $e.Items, $e.RangesDone, $e.Ranges)
}

Write-Output ('{0}: {1:N0} items in {2}, {3:N0} items/s' -f $result.Outcome, $result.Items, $result.Duration, $result.ItemsPerSecond)
if ("$($result.Outcome)" -eq 'Stopped') {
    Write-Output 'The time is up and every checkpoint is saved: the next run goes on from here.'
}
