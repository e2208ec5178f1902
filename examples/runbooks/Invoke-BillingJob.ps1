<#
.SYNOPSIS
    Exports, follows or compares from a scheduled task, a systemd timer or AWS Systems Manager: a part at each run, with an exit code.
.DESCRIPTION
    For PowerShell 7.4 or later, without a console. Each run goes on where the last one stopped, on whichever machine it runs; a second one beside it is refused and ends as it should.

    Exit codes: 0 done, or another worker is at it; 1 failed, with the error; 3 the time is up, and the next run goes on.

    AWS is asked as the machine's own role or profile: that of the instance, of the Systems Manager agent, or IAM Roles Anywhere by credential_process.

    As a task of Windows:
      $action = New-ScheduledTaskAction -Execute pwsh -Argument '-NoProfile -NonInteractive -File C:\billing\Invoke-BillingJob.ps1 -Job Sync -DefinitionPath C:\billing\migration.json -PasswordSecret BillingSource'
      Register-ScheduledTask -TaskName 'Billing sync' -Action $action -Trigger (New-ScheduledTaskTrigger -Once -At (Get-Date) -RepetitionInterval 00:05:00) -User svc-billing -Password ...
    With AWS Systems Manager: the document ssm-document.json beside this file.
.PARAMETER Job
    What to do. Export also makes the tables.
.PARAMETER DefinitionPath
    The definition file on this machine.
.PARAMETER MaxDuration
    How long this run may take.
.PARAMETER SourceUser
    User name of the source account, where the password stands alone.
.PARAMETER PasswordParameter
    Name of a SecureString in the Parameter Store of AWS Systems Manager; needs AWS.Tools.SimpleSystemsManagement.
.PARAMETER PasswordSecret
    Name of a secret, a credential or a password, of Microsoft.PowerShell.SecretManagement.
#>
[Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSAvoidUsingPlainTextForPassword', 'PasswordParameter', Justification = 'The name of where it is kept.')]
[Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSAvoidUsingPlainTextForPassword', 'PasswordSecret', Justification = 'The name of where it is kept.')]
param(
    [Parameter(Mandatory)]
    [ValidateSet('Export', 'Sync', 'Compare')]
    [string] $Job,

    [Parameter(Mandatory)]
    [string] $DefinitionPath,

    [timespan] $MaxDuration = '02:30:00',

    [string] $SourceUser = 'migration',

    [string] $PasswordParameter,

    [string] $PasswordSecret
)

$ErrorActionPreference = 'Stop'
# A log is no place for progress bars.
$ProgressPreference = 'SilentlyContinue'

$migration = $null
try {
    Import-Module BillingMigration

    # Without either, the environment has it: BILLINGMIGRATION_SOURCE_USER and BILLINGMIGRATION_SOURCE_PASSWORD.
    $connect = @{ Path = $DefinitionPath }
    $secret = if ($PasswordSecret) { Get-Secret -Name $PasswordSecret } elseif ($PasswordParameter) { (Get-SSMParameter -Name $PasswordParameter -WithDecryption $true).Value }
    if ($secret -is [string]) {
        $password = [securestring]::new()
        foreach ($character in $secret.ToCharArray()) { $password.AppendChar($character) }
        $secret = $password
    }

    if ($secret -is [securestring]) { $secret = [pscredential]::new($SourceUser, $secret) }
    if ($secret) { $connect.SourceCredential = $secret }

    $migration = Connect-BillingMigration @connect
    $result = switch ($Job) {
        'Export' { $migration | Initialize-BillingTable | Export-BillingSnapshot -MaxDuration $MaxDuration }
        'Sync' { $migration | Sync-BillingChanges -MaxDuration $MaxDuration }
        'Compare' { $migration | Test-MigrationIntegrity -MaxDuration $MaxDuration }
    }
    "${Job}: $($result.Outcome)"
    $code = if ("$($result.Outcome)" -eq 'Stopped') { 3 } else { 0 }
}
catch {
    if ($_.FullyQualifiedErrorId -like 'LeaseHeld,*') {
        "Another worker is at it. $($_.Exception.Message)"
        $code = 0
    }
    else {
        "${Job} failed: $($_.FullyQualifiedErrorId.Split(',')[0]): $_"
        $code = 1
    }
}
finally {
    if ($migration) { $migration | Disconnect-BillingMigration }
}

exit $code
