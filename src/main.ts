console.log("spindle")
