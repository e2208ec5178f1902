#requires -Version 7.4
#requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.7.0' }

# For the real pwsh; the same and more is tested on the bare engine in tests/BillingMigration.PowerShell.Tests.
# Needs the built module (task build), no servers.

BeforeDiscovery {
    Import-Module ([System.IO.Path]::Combine($PSScriptRoot, '..', '..', 'BillingMigration.psd1')) -Force
    $cmdlets = (Get-Command -Module BillingMigration).Name
}

BeforeAll {
    $root = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($PSScriptRoot, '..', '..'))
    $manifest = Join-Path $root 'BillingMigration.psd1'
    Import-Module $manifest -Force
    $sample = [System.IO.Path]::Combine($root, 'examples', 'sample', 'migration.json')
    $login = [pscredential]::new('root', [securestring]::new())
    $variables = 'BILLINGMIGRATION_SOURCE_USER', 'BILLINGMIGRATION_SOURCE_PASSWORD'
    $saved = @{}
    foreach ($name in $variables) {
        $saved[$name] = [Environment]::GetEnvironmentVariable($name)
        [Environment]::SetEnvironmentVariable($name, $null)
    }
}

AfterAll {
    foreach ($name in $variables) {
        [Environment]::SetEnvironmentVariable($name, $saved[$name])
    }
}

Describe 'The module' {
    It 'has a valid manifest that names its cmdlets one by one' {
        $module = Test-ModuleManifest $manifest
        $module.PowerShellVersion | Should -Be '7.4'
        (Import-PowerShellDataFile $manifest).CmdletsToExport | Should -Not -Contain '*'
        (Get-Command -Module BillingMigration).Name | Sort-Object | Should -Be ($module.ExportedCmdlets.Keys | Sort-Object)
    }

    It 'can be removed, and imported again' {
        Remove-Module BillingMigration
        Get-Command -Module BillingMigration | Should -BeNullOrEmpty
        Import-Module $manifest
        Import-Module $manifest -Force
        (Get-Command -Module BillingMigration).Count | Should -BeGreaterThan 5
    }

    It 'keeps its libraries out of the default load context' {
        $default = [System.Runtime.Loader.AssemblyLoadContext]::Default.Assemblies.ForEach({ $_.GetName().Name })
        $default | Should -Contain 'BillingMigration.Loader'
        $default | Should -Not -Contain 'BillingMigration.Core'
        $default | Should -Not -Contain 'MySqlConnector'
    }

    It 'uses approved verbs' {
        $approved = (Get-Verb).Verb
        foreach ($command in Get-Command -Module BillingMigration) {
            $approved | Should -Contain $command.Verb
        }
    }
}

Describe 'The help of <_>' -ForEach $cmdlets {
    BeforeAll {
        $help = Get-Help $_ -Full
    }

    It 'has a synopsis and a description' {
        $help.Synopsis | Should -Not -BeNullOrEmpty
        $help.Synopsis | Should -Not -Match '\[<CommonParameters>\]'
        $help.Description.Text | Should -Not -BeNullOrEmpty
    }

    It 'has two examples or more' {
        @($help.Examples.Example).Count | Should -BeGreaterOrEqual 2
    }

    It 'reads as text' {
        Get-Help $_ -Examples | Out-String -Width 80 | Should -Match $_
    }
}

Describe 'Errors' {
    It 'names a definition that is not there' {
        { Connect-BillingMigration -Path TestDrive:/nowhere.json -ErrorAction Stop } |
            Should -Throw -ErrorId 'DefinitionNotFound,BillingMigration.PowerShell.Commands.ConnectBillingMigrationCommand'
    }

    It 'lists every mistake of a definition at once' {
        Set-Content TestDrive:/wrong.json '{ "name": "no spaces", "source": { "host": "h", "port": 99999, "database": "b" }, "target": { "table": "t!" }, "entities": [] }'
        try { Connect-BillingMigration -Path TestDrive:/wrong.json -ErrorAction Stop } catch { $problem = $_ }
        $problem.FullyQualifiedErrorId | Should -BeLike 'InvalidDefinition,*'
        $problem.CategoryInfo.Category | Should -Be 'InvalidData'
        "$problem" | Should -Match 'no spaces'
        "$problem" | Should -Match '99999'
        "$problem" | Should -Match 't!'
    }

    It 'never asks for an account' {
        { Connect-BillingMigration -Path $sample -ErrorAction Stop } |
            Should -Throw -ErrorId 'SourceCredentialMissing,BillingMigration.PowerShell.Commands.ConnectBillingMigrationCommand'
    }

    It 'says that no migration is connected' {
        { Get-BillingMigration -ErrorAction Stop } | Should -Throw -ErrorId 'NoSession,BillingMigration.PowerShell.Commands.GetBillingMigrationCommand'
        { Export-BillingSnapshot -WhatIf -ErrorAction Stop } | Should -Throw -ErrorId 'NoSession,BillingMigration.PowerShell.Commands.ExportBillingSnapshotCommand'
        { Initialize-BillingTable -WhatIf -ErrorAction Stop } | Should -Throw -ErrorId 'NoSession,BillingMigration.PowerShell.Commands.InitializeBillingTableCommand'
    }

    It 'keeps a definition that is there, also with -WhatIf' {
        Set-Content TestDrive:/mine.json '{}'
        { New-BillingMigrationDefinition -Path TestDrive:/mine.json -SourceHost 127.0.0.1 -Database b -SourceCredential $login -WhatIf -ErrorAction Stop } |
            Should -Throw -ErrorId 'DefinitionExists,BillingMigration.PowerShell.Commands.NewBillingMigrationDefinitionCommand'
        Get-Content TestDrive:/mine.json | Should -Be '{}'
    }
}

Describe 'Completion' {
    It 'offers the entities of the definition that the pipeline connects' {
        $text = "Connect-BillingMigration -Path '$sample' | Export-BillingSnapshot -Entity B"
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput($text, $text.Length, $null)
        $found.CompletionMatches.CompletionText | Should -Be @('BILLING_ACCOUNT', 'BILL')
    }
}

Describe 'A process without a terminal' {
    It 'imports, fails with the right id and ends' {
        $script = "`$ErrorActionPreference = 'Stop'; Import-Module '$manifest'; try { Get-BillingMigration } catch { `$_.FullyQualifiedErrorId }"
        $out = $null | & ([System.Environment]::ProcessPath) -NoProfile -NonInteractive -Command $script
        $out | Should -BeLike 'NoSession,*'
    }
}
