<#
.SYNOPSIS
    Lets this process assume an AWS role as the managed identity of the Azure machine that it runs on: no AWS secret is kept anywhere.
.DESCRIPTION
    For Hybrid Workers on Azure virtual machines and on machines that Azure Arc manages. Asks the machine for a token of its managed identity, and leaves it in a file that only this account
    may read; the AWS SDK of the module then assumes the role with it, and again whenever the role's keys are about to end (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE). A token holds for a day:
    a job that lasts longer has to be begun anew.

    Once, in AWS: an IAM identity provider (OpenID Connect) for https://sts.windows.net/TENANT-ID/ with the audience below, and a role whose trust policy names that provider and, as the
    condition sts.windows.net/TENANT-ID/:sub, the object id of the managed identity. In Entra ID: an app registration whose Application ID URI is the audience.
.PARAMETER RoleArn
    The role to assume.
.PARAMETER Audience
    Application ID URI of the app registration.
.PARAMETER ClientId
    Client id of a user-assigned identity. The system-assigned one by default.
.EXAMPLE
    ./Use-ManagedIdentity.ps1 -RoleArn arn:aws:iam::123456789012:role/billing-migration -Audience api://billing-migration
#>
param(
    [Parameter(Mandatory)]
    [string] $RoleArn,

    [Parameter(Mandatory)]
    [string] $Audience,

    [string] $ClientId
)

$ErrorActionPreference = 'Stop'
$handler = [System.Net.Http.HttpClientHandler]::new()
# The address is the machine's own.
$handler.UseProxy = $false
$http = [System.Net.Http.HttpClient]::new($handler)
$http.Timeout = [timespan]::FromSeconds(30)
try {
    # Azure Arc says where its agent listens; a virtual machine has the metadata service, whose place this variable may name, as it does for Azure's own libraries.
    $isArc = [bool]$env:IDENTITY_ENDPOINT
    $metadata = if ($env:AZURE_POD_IDENTITY_AUTHORITY_HOST) { $env:AZURE_POD_IDENTITY_AUTHORITY_HOST.TrimEnd('/') } else { 'http://169.254.169.254' }
    $address = if ($isArc) { "$($env:IDENTITY_ENDPOINT)?api-version=2020-06-01" } else { "$metadata/metadata/identity/oauth2/token?api-version=2018-02-01" }
    $address += '&resource=' + [uri]::EscapeDataString($Audience)
    if ($ClientId) { $address += '&client_id=' + [uri]::EscapeDataString($ClientId) }

    function Send([string] $Secret) {
        $request = [System.Net.Http.HttpRequestMessage]::new('Get', $address)
        $request.Headers.Add('Metadata', 'true')
        if ($Secret) { $request.Headers.Authorization = [System.Net.Http.Headers.AuthenticationHeaderValue]::new('Basic', $Secret) }
        $http.SendAsync($request).GetAwaiter().GetResult()
    }

    $answer = Send
    if ($isArc -and [int]$answer.StatusCode -eq 401) {
        # Who may read the file that it names has the right to ask: himds on Linux, Administrators and Hybrid agent extension applications on Windows.
        $file = [System.IO.FileInfo](("$($answer.Headers.WwwAuthenticate)" -replace '^Basic realm=', '').Trim('"'))
        # Whoever listens there in the agent's place gets no other file of this account.
        if ($file.Extension -ne '.key' -or $file.Length -gt 4096) { throw "The agent of Azure Arc names $file, which is no key of its own (a .key file of 4,096 bytes at most). Look at what listens at $env:IDENTITY_ENDPOINT." }
        $answer = Send ([System.IO.File]::ReadAllText($file.FullName))
    }

    $text = $answer.Content.ReadAsStringAsync().GetAwaiter().GetResult()
    if (-not $answer.IsSuccessStatusCode) { throw "The machine gives no token for '$Audience' ($([int]$answer.StatusCode)): has it a managed identity, and is the audience the Application ID URI of an app registration? $text" }
    $token = [System.Text.Json.JsonDocument]::Parse($text).RootElement.GetProperty('access_token').GetString()
}
finally {
    $http.Dispose()
}

$path = [System.IO.Path]::Combine([System.IO.Path]::GetTempPath(), [System.IO.Path]::GetRandomFileName())
# Nobody else can open it, from its first moment on.
$options = [System.IO.FileStreamOptions]@{ Mode = 'CreateNew'; Access = 'Write' }
if (-not $IsWindows) { $options.UnixCreateMode = 'UserRead, UserWrite' }
$writer = [System.IO.StreamWriter]::new($path, $options)
try { $writer.Write($token) } finally { $writer.Dispose() }

$env:AWS_ROLE_ARN = $RoleArn
$env:AWS_WEB_IDENTITY_TOKEN_FILE = $path
$env:AWS_ROLE_SESSION_NAME = 'billing-migration'
