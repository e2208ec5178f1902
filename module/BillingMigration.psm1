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

# An assembly that the session has seen before is imported from a cache, which forgets to export its cmdlets from here:
# https://github.com/PowerShell/PowerShell/issues/20710
$export = [System.Management.Automation.PSModuleInfo].GetMethod('AddExportedCmdlet', [System.Reflection.BindingFlags]'Instance, NonPublic')
foreach ($cmdlet in $inner.ExportedCmdlets.Values) {
    if (-not $ExecutionContext.SessionState.Module.ExportedCmdlets.ContainsKey($cmdlet.Name)) {
        $export.Invoke($ExecutionContext.SessionState.Module, @(, $cmdlet))
    }
}
