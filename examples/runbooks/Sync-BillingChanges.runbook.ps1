<#
.SYNOPSIS
    Writes the source's changes to the table from an Azure Automation runbook, for a part of the day or until it has caught up.
.DESCRIPTION
    For a Hybrid Worker that reaches the source database, with PowerShell 7.4 or later. Each run goes on where the last one stopped, on whichever worker it runs; a second
    one beside it is refused with LeaseHeld and ends as it should. While applications work on the table it keeps the source in step instead.

    Assets of the automation account: as those of Export-BillingSnapshot.runbook.ps1.
.PARAMETER DefinitionPath
    The definition file on the worker.
.PARAMETER FollowFor
    How long this job goes on following. Zero: until it has caught up.
.PARAMETER AwsRoleArn
    Role to assume as the machine's managed identity, with -AwsAudience: Use-ManagedIdentity.ps1 is published beside this runbook then.
.PARAMETER AwsAudience
    Application ID URI of the app registration that stands for AWS.
#>
param(
    [Parameter(Mandatory)]
    [string] $DefinitionPath,

    [timespan] $FollowFor = '02:30:00',

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

$sync = if ($FollowFor -gt [timespan]::Zero) { @{ Follow = $true; MaxDuration = $FollowFor } } else { @{} }
$migration = $null
try {
    $migration = Connect-BillingMigration @connect
    if ("$((Get-BillingMigration).Route.Backend)" -eq 'DynamoDb') { $sync.Direction = 'Reverse' }
    $migration | Sync-BillingChanges @sync
}
catch {
    if ($_.FullyQualifiedErrorId -like 'LeaseHeld,*') {
        Write-Output "Another worker is at it. $($_.Exception.Message)"
        return
    }

    throw
}
finally {
    # Where Connect failed there is nothing to close, and its error is the one to see.
    if ($migration) { $migration | Disconnect-BillingMigration }
}
