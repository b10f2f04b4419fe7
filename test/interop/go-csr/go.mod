module go-csr

go 1.21
