<#
.SYNOPSIS
    Compares both sides from an Azure Automation runbook; the job fails when they differ.
.DESCRIPTION
    For a Hybrid Worker that reaches the source database, with PowerShell 7.4 or later. A comparison that -MaxDuration stops is gone on with by the next run.

    Assets of the automation account: as those of Export-BillingSnapshot.runbook.ps1.
.PARAMETER DefinitionPath
    The definition file on the worker.
.PARAMETER Since
    Compares what changed since the last comparison of everything.
.PARAMETER MaxDuration
    How long one run may compare everything.
.PARAMETER AwsRoleArn
    Role to assume as the machine's managed identity, with -AwsAudience: Use-ManagedIdentity.ps1 is published beside this runbook then.
.PARAMETER AwsAudience
    Application ID URI of the app registration that stands for AWS.
#>
param(
    [Parameter(Mandatory)]
    [string] $DefinitionPath,

    [switch] $Since,

    [timespan] $MaxDuration = '02:30:00',

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

$test = if ($Since) { @{ Since = $true } } else { @{ MaxDuration = $MaxDuration } }
$migration = $null
try {
    $migration = Connect-BillingMigration @connect
    $migration | Test-MigrationIntegrity @test
}
finally {
    # Where Connect failed there is nothing to close, and its error is the one to see.
    if ($migration) { $migration | Disconnect-BillingMigration }
}
