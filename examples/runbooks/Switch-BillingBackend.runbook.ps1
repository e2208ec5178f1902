<#
.SYNOPSIS
    Switches the applications from an Azure Automation runbook: compares what changed, switches, and keeps the source in step.
.DESCRIPTION
    For a Hybrid Worker that reaches the source database, with PowerShell 7.4 or later. Run again after it was cut off, it finishes what was begun, or, with the other
    side, undoes it. It ends with an error, and the applications where they were, when a gate is closed or calls would have to wait for too long.

    Assets of the automation account: as those of Export-BillingSnapshot.runbook.ps1. The source account needs the privileges that docs/switch-over.md names.
.PARAMETER DefinitionPath
    The definition file on the worker.
.PARAMETER To
    DynamoDB; MySql, which rolls back; or Shadow.
.PARAMETER Reason
    Stands in the history: the number of the change, for example.
.PARAMETER MaxStall
    Calls of applications wait no longer than this.
.PARAMETER WriteBackFor
    How long this job keeps the source in step after the switch to DynamoDB. Let another job, or a service, go on with Sync-BillingChanges -Direction Reverse -Follow.
.PARAMETER AwsRoleArn
    Role to assume as the machine's managed identity, with -AwsAudience: Use-ManagedIdentity.ps1 is published beside this runbook then.
.PARAMETER AwsAudience
    Application ID URI of the app registration that stands for AWS.
#>
param(
    [Parameter(Mandatory)]
    [string] $DefinitionPath,

    [Parameter(Mandatory)]
    [ValidateSet('DynamoDB', 'MySql', 'Shadow')]
    [string] $To,

    [string] $Reason = 'runbook',

    [timespan] $MaxStall = '00:00:10',

    [timespan] $WriteBackFor = '02:00:00',

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

$migration = $null
try {
    $migration = Connect-BillingMigration @connect
    if ($To -ne 'MySql' -and "$((Get-BillingMigration).Route.Backend)" -eq 'MySql') {
        # What a switch asks for: the table in step, and a comparison that is fresh.
        $migration | Sync-BillingChanges | Test-MigrationIntegrity -Since
    }

    $result = $migration | Switch-BillingBackend -To $To -Reason $Reason -MaxStall $MaxStall -Confirm:$false -OnState { Write-Verbose "state: $($_.State)" }
    $result
    if ("$($result.Route.State)" -eq 'DynamoDb') {
        $migration | Sync-BillingChanges -Direction Reverse -Follow -MaxDuration $WriteBackFor
    }
}
finally {
    # Where Connect failed there is nothing to close, and its error is the one to see.
    if ($migration) { $migration | Disconnect-BillingMigration }
}
