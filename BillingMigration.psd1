@{
    RootModule           = 'module/BillingMigration.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = '9a2a578f-a726-4266-97f4-4be228465877'
    Author               = 'BillingMigration'
    CompanyName          = 'BillingMigration'
    Copyright            = '(c) BillingMigration. Licensed under the Apache License 2.0.'
    Description          = 'Moves a live MySQL or MariaDB billing database into one DynamoDB table.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('module/BillingMigration.Format.ps1xml')
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    CmdletsToExport      = @(
        'Connect-BillingMigration'
        'Disconnect-BillingMigration'
        'Export-BillingSnapshot'
        'Get-Bill'
        'Get-BillingAccount'
        'Get-BillingCharge'
        'Get-BillingCustomer'
        'Get-BillingMigration'
        'Get-BillingSubscriber'
        'Get-ServiceAgreement'
        'Initialize-BillingTable'
        'Measure-Bill'
        'Measure-BillingCharge'
        'New-BillingMigrationDefinition'
        'New-MigrationPolicy'
        'Repair-BillingItem'
        'Switch-BillingBackend'
        'Sync-BillingChanges'
        'Test-MigrationIntegrity'
        'Update-BillingDataKey'
    )
    PrivateData          = @{
        PSData = @{
            LicenseUri   = 'https://www.apache.org/licenses/LICENSE-2.0'
            ReleaseNotes = 'The first release. CHANGELOG.md in the module lists what each one brings.'
            Tags         = @('MySQL', 'MariaDB', 'DynamoDB', 'AWS', 'Migration', 'Billing', 'PSEdition_Core', 'Windows', 'Linux', 'MacOS')
        }
    }
}
