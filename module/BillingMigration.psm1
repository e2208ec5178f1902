# Loads the module's assemblies in a load context of their own. Uses core commands and .NET only: Add-Type and the like are not there in every host.

$bin = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($PSScriptRoot, '..', 'bin'))
$loaderPath = [System.IO.Path]::Combine($bin, 'BillingMigration.Loader.dll')
if (-not [System.IO.File]::Exists($loaderPath)) {
    throw [System.IO.FileNotFoundException]::new(
        "The module is not built: '$loaderPath' is missing. Build it with 'dotnet publish src/BillingMigration.PowerShell -c Release -o bin'.", $loaderPath)
}

# A second copy of the loader (another release, another folder) cannot be loaded beside the first, and need not be.
$loader = $null
foreach ($assembly in [System.AppDomain]::CurrentDomain.GetAssemblies()) {
    if ($assembly.GetName().Name -eq 'BillingMigration.Loader') {
        $loader = $assembly
    }
}

if ($null -eq $loader) {
    $loader = [System.Reflection.Assembly]::LoadFrom($loaderPath)
}

$cmdlets = $loader.GetType('BillingMigration.Loader.ModuleLoader').GetMethod('Load').Invoke($null, @($bin, 'BillingMigration.PowerShell'))
$inner = Import-Module -Assembly $cmdlets -PassThru

# An assembly that the session has seen before is imported from a cache, which forgets to tell this module of its cmdlets, and so Get-Help of
# the folder that their help is in: https://github.com/PowerShell/PowerShell/issues/20710
$self = $ExecutionContext.SessionState.Module
if ($self.NestedModules.Count -eq 0) {
    try {
        $nonPublic = [System.Reflection.BindingFlags]'Instance, NonPublic'
        $export = [System.Management.Automation.PSModuleInfo].GetMethod('AddExportedCmdlet', $nonPublic)
        foreach ($cmdlet in $inner.ExportedCmdlets.Values) {
            $null = $export.Invoke($self, @(, $cmdlet))
        }

        $null = [System.Management.Automation.PSModuleInfo].GetMethod('AddNestedModule', $nonPublic).Invoke($self, @(, $inner.PSObject.BaseObject))
    }
    catch {
        # An engine without these members: the cmdlets work, and Get-Help shows their syntax without the texts.
        $null = $_
    }
}
